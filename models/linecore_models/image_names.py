"""Finds the image that a table or an annotation means."""

from __future__ import annotations

from collections.abc import Sequence

from linecore.errors import ConfigError
from linecore.text import printable
from linecore.validation import did_you_mean
from linecore_models.dataset import LabelledImage


class ImageNames:
    """Images by what people call them: ``class/file``, ``data folder/class/file`` or, where only one has it, ``file``.

    A file may also be named without its suffix.
    """

    def __init__(self, images: Sequence[LabelledImage]) -> None:
        self._images: dict[str, list[LabelledImage]] = {}
        for image in images:
            folder = f"{image.path.parent.name}/"
            for file in dict.fromkeys((image.path.name, image.path.stem)):
                for name in (file, f"{folder}{file}", f"{image.source}/{folder}{file}"):
                    self._images.setdefault(name, []).append(image)

    def find(self, name: str, where: str) -> LabelledImage:
        """Return the image that is called *name*; *where* begins the sentence that says why there is none.

        Raises:
            ConfigError: no image is called so, or several are.
        """
        # Tools on Windows write backslashes, and many write more of the path than class and file.
        parts = [part for part in name.strip().replace("\\", "/").split("/") if part not in ("", ".")]
        # A file's name alone must not stand for one of another folder: images called 1.jpg lie in many.
        for count in (3, 2) if len(parts) > 1 else (1,):
            found = self._images.get("/".join(parts[-count:]), []) if len(parts) >= count else []
            if len(found) == 1:
                return found[0]
            if found:
                names = " and ".join(image.name for image in found[:2])
                raise ConfigError(f"{where} means {printable(name)!r}, which may be {names}; write it in full")
        hint = did_you_mean("/".join(parts[-2:]), list(self._images)) or "; it must be called like class/file.jpg"
        raise ConfigError(f"{where} means {printable(name)!r}, which is no image of the data{hint}")

    def __contains__(self, name: str) -> bool:
        return name in self._images
