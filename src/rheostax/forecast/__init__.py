"""What a learning rate will bring: laws that predict a loss curve from the rates, fitted to logged runs.

Computed on the host, in NumPy's float64: a fit takes a second, and nothing of it runs inside a training step.
"""

from rheostax.forecast._curve import Curve, read_curve
from rheostax.forecast._decay import decay_of
from rheostax.forecast._fit import fit
from rheostax.forecast._fitted import Fitted, Prediction
from rheostax.forecast._laws import LAWS, Law
from rheostax.forecast._outlook import Outlook, outlook

__all__ = ["LAWS", "Curve", "Fitted", "Law", "Outlook", "Prediction", "decay_of", "fit", "outlook", "read_curve"]
