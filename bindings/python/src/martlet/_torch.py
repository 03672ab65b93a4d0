"""martlet.torch's classes by the path that they have in pickles and configs.

Tools that list torch's optimizers by name, as LightningCLI does for `--optimizer Adam`, pass over what is private. So
they find torch's Adam alone, which install() makes Martlet's, and not two.
"""

from martlet.torch import *  # noqa: F403
