"""From a segmentation to files that other programs read."""

from dawson.write.folder import check_output
from dawson.write.picture import overview
from dawson.write.results import write

__all__ = ["check_output", "overview", "write"]
