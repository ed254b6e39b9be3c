"""Unpacking what students hand in, where nbgrader's zip_collect does it.

Set as `c.ZipCollectApp.extractor_plugin`. nbgrader's own stops at the first archive that is broken
or holds a name that leads out of its folder, and nobody's work is collected. Here such an archive
is left out, whole, and said to be.
"""

import shutil
from pathlib import Path

from nbgrader.plugins import ExtractorPlugin
from nbgrader.utils import unzip

__all__ = ["CarefulExtractor"]


class CarefulExtractor(ExtractorPlugin):
    """Each archive, and each archive in it, by itself."""

    def extract(self, archive_path: str, extracted_path: str) -> None:
        """Unpack or copy all files below `archive_path` to the same places in `extracted_path`."""
        for path in sorted(p for p in Path(archive_path).rglob("*") if p.is_file()):
            target = Path(extracted_path, path.parent.relative_to(archive_path))
            target.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target)
            self._unpack(target / path.name)

    def _unpack(self, path: Path) -> None:
        """Replace an archive by a folder of its name; without it, if that is not possible."""
        if path.suffix not in self.zip_ext:
            return
        folder = path.parent / path.stem.removesuffix(".tar")
        try:
            extensions = list(self.zip_ext)
            unzip(str(path), str(path.parent), zip_ext=extensions, create_own_folder=True)
        except Exception as error:  # whatever was put together to break it
            self.log.error("Left out, since it cannot be unpacked safely: %s (%s)", path, error)
            shutil.rmtree(folder, ignore_errors=True)
        finally:
            path.unlink()
        for inner in sorted(p for p in folder.rglob("*") if p.is_file()):
            self._unpack(inner)
