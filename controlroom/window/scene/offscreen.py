"""A renderer without a window: pictures and films of a scene, on any machine.

VTK draws through EGL, in software where there is no graphics card; no display server is needed.
"""

import os
import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Before VTK is loaded: without it VTK looks for an X server first, and complains of having none.
if sys.platform == "linux":
    os.environ.setdefault("VTK_DEFAULT_OPENGL_WINDOW", "vtkEGLRenderWindow")

from vtkmodules.util.numpy_support import vtk_to_numpy
from vtkmodules.vtkCommonCore import vtkUnsignedCharArray
from vtkmodules.vtkRenderingCore import vtkRenderer, vtkRenderWindow

from controlroom.window.scene.build import Stage, point_camera
from controlroom.window.scene.eye import Eye
from controlroom.window.scene.model import Buffers

SMOOTH = 8
"""Samples a pixel; a picture is drawn once and looked at for long."""

Picture = NDArray[np.uint8]
"""``(height, width, 3)``: red, green, blue, from the top left."""


class Studio:
    """Draws one scene into pictures.

    Args:
        buffers: of the scene that is drawn.
        width: of the pictures, in pixels.
        height: of the pictures, in pixels.
        samples: a pixel, for smooth edges; 0 for none, as tests that compare pixels want it.
        plain: without what costs a processor most and tells nothing.
    """

    def __init__(
        self, buffers: Buffers, width: int, height: int, samples: int = SMOOTH, *,
        plain: bool = False,
    ) -> None:  # fmt: skip
        self._window = vtkRenderWindow()
        self._window.SetOffScreenRendering(1)
        self._window.SetSize(width, height)
        self._window.SetMultiSamples(samples)
        self.renderer = vtkRenderer()
        self._window.AddRenderer(self.renderer)
        # The dither that hides a gradient's bands makes pictures and films three times as large.
        self.renderer.DitherGradientOff()
        self.stage = Stage(self.renderer, buffers, plain=plain)
        self._read = vtkUnsignedCharArray()

    def resize(self, width: int, height: int) -> None:
        """Draw pictures of that size from now on."""
        if self._window.GetSize() != (width, height):
            self._window.SetSize(width, height)

    def draw(self, eye: Eye) -> None:
        """Draw what the scene's buffers hold, without reading it back."""
        self._render(eye)
        self._window.WaitForCompletion()

    def _render(self, eye: Eye) -> None:
        point_camera(self.renderer, eye)
        self.stage.refresh()
        self._window.Render()

    def pixels(self, eye: Eye) -> Picture:
        """Draw what the scene's buffers hold, as it is seen by ``eye``.

        Returns:
            ``(height, width, 4)``: red, green, blue and nothing, from the bottom left; the next
            picture is written over it.
        """
        self._render(eye)
        window: Any = self._window  # its stubs do not know that an array of VTK's is read into
        width, height = window.GetSize()
        window.GetRGBACharPixelData(0, 0, width - 1, height - 1, 0, self._read)
        read: Picture = vtk_to_numpy(self._read)
        return read.reshape(height, width, 4)

    def picture(self, eye: Eye) -> Picture:
        """Draw what the scene's buffers hold, as it is seen by ``eye``: a picture to keep."""
        return np.ascontiguousarray(self.pixels(eye)[::-1, :, :3])

    @property
    def renderer_name(self) -> str:
        """Who draws: the OpenGL renderer's own name."""
        words = self._window.ReportCapabilities() or ""
        for line in words.splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "OpenGL renderer string":
                return value.strip()
        return "unknown"

    def close(self) -> None:
        """Give everything back."""
        self.stage.close()
        self._window.Finalize()
