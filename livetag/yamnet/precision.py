"""How precise the network's numbers are where livetag runs it; exports have a list of their own."""

from typing import Literal, get_args

Precision = Literal["float32", "bfloat16", "int8"]
PRECISIONS: tuple[Precision, ...] = get_args(Precision)
