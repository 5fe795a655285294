"""The colours of images and pages, told apart by people who do not see all of them.

Scores are blues that rise in darkness, spectrograms rise in lightness ("magma"), and alerts are the
vermilion of Okabe and Ito's palette ("Color Universal Design", 2008), in a frame that is thicker.
"""

WAVEFORM = "#33658a"
EVENT = "#000000"
ALERT = "#d55e00"
