"""Fixtures that several tests of sources share."""

from __future__ import annotations

from tests.plugins.camera.cameras import stream as stream
from tests.plugins.camera.cameras import video as video
from tests.plugins.folder.folders import folder as folder
