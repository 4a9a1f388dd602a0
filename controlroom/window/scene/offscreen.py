"""A renderer without a window: pictures and films of a scene, on any machine.

VTK draws through EGL, in software where there is no graphics card; no display server is needed.
"""

import os

import numpy as np
from numpy.typing import NDArray

# Before VTK is loaded: without it VTK looks for an X server first, and complains of having none.
os.environ.setdefault("VTK_DEFAULT_OPENGL_WINDOW", "vtkEGLRenderWindow")

from vtkmodules.util.numpy_support import vtk_to_numpy
from vtkmodules.vtkRenderingCore import vtkRenderer, vtkRenderWindow, vtkWindowToImageFilter

from controlroom.window.scene.build import Stage, point_camera
from controlroom.window.scene.eye import Eye
from controlroom.window.scene.model import Scene

SMOOTH = 8
"""Samples a pixel; a picture is drawn once and looked at for long."""

Picture = NDArray[np.uint8]
"""``(height, width, 3)``: red, green, blue, from the top left."""


class Studio:
    """Draws one scene into pictures of one size.

    Args:
        scene: what is drawn.
        width: of the pictures, in pixels.
        height: of the pictures, in pixels.
        samples: a pixel, for smooth edges; 0 for none, as tests that compare pixels want it.
    """

    def __init__(self, scene: Scene, width: int, height: int, samples: int = SMOOTH) -> None:
        self._window = vtkRenderWindow()
        self._window.SetOffScreenRendering(1)
        self._window.SetSize(width, height)
        self._window.SetMultiSamples(samples)
        self._renderer = vtkRenderer()
        self._window.AddRenderer(self._renderer)
        # The dither that hides a gradient's bands makes pictures and films three times as large.
        self._renderer.DitherGradientOff()
        self.stage = Stage(self._renderer, scene.buffers)

    def draw(self, eye: Eye) -> None:
        """Draw what the scene's buffers hold, without reading it back."""
        point_camera(self._renderer, eye)
        self.stage.refresh()
        self._window.Render()
        self._window.WaitForCompletion()

    def picture(self, eye: Eye) -> Picture:
        """Draw what the scene's buffers hold, as it is seen by ``eye``."""
        self.draw(eye)
        reader = vtkWindowToImageFilter()
        reader.SetInput(self._window)
        reader.ReadFrontBufferOff()
        reader.Update()
        image = reader.GetOutput()
        width, height, _ = image.GetDimensions()
        pixels: Picture = vtk_to_numpy(image.GetPointData().GetScalars())
        return np.ascontiguousarray(pixels.reshape(height, width, -1)[::-1, :, :3])

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
