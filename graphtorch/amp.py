"""graphtorch.amp: mixed precision, as torch.amp has it."""

from graphtorch.frontend.autocast import autocast, is_autocast_available
from graphtorch.frontend.grad_scaler import GradScaler

__all__ = ["GradScaler", "autocast", "is_autocast_available"]
