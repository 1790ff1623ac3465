"""What a learning rate will do, before the run: its moments, its sum, and what looks wrong."""

from rheostax.preview._moments import Moment, moments
from rheostax.preview._preview import Preview, preview

__all__ = ["Moment", "Preview", "moments", "preview"]
