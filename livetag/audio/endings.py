"""How files of audio are called."""

AUDIO_ENDINGS = frozenset(
    (
        *(".aif", ".aifc", ".aiff", ".au", ".caf", ".flac", ".mp3", ".oga"),
        *(".ogg", ".opus", ".rf64", ".snd", ".w64", ".wav", ".wave"),
    )
)
"""Of what libsndfile reads: folders are searched for these. A file that is named may have any."""
UNREADABLE_ENDINGS = frozenset(
    (
        *(".3gp", ".aac", ".ac3", ".amr", ".ape", ".dff", ".dsf", ".m4a", ".m4b", ".mka"),
        *(".mpc", ".oma", ".ra", ".spx", ".tta", ".weba", ".wma", ".wv"),
    )
)
"""Of recordings, too, in what libsndfile does not read."""
