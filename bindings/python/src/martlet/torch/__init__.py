"""Adam and AdamW for PyTorch tensors on the CPU, in place of torch.optim's: same arguments, same state, same curve.

import martlet.torch
optimizer = martlet.torch.Adam(model.parameters(), lr=1e-3)
"""

from martlet.torch.adam import Adam, AdamW

__all__ = ["Adam", "AdamW"]
