"""How files of audio are called."""

AUDIO_ENDINGS = frozenset(
    (
        *(".aif", ".aifc", ".aiff", ".au", ".caf", ".flac", ".mp3", ".oga"),
        *(".ogg", ".opus", ".rf64", ".snd", ".w64", ".wav", ".wave"),
    )
)
"""Of what libsndfile reads: folders are searched for these. A file that is named may have any."""
