"""Who draws on this machine, and how the window therefore draws."""

from typing import NamedTuple

from PySide6.QtGui import QOffscreenSurface, QOpenGLContext

SOFTWARE = ("llvmpipe", "softpipe", "swrast", "software rasterizer")
"""Names of the processor, when it stands in for a graphics card (Mesa's drivers)."""
SMOOTH_SAMPLES = 4
MOST_PIXELS = 1280 * 720
"""A processor draws no more of them at low quality: a larger window gets the picture enlarged, below
labels and panels that stay sharp."""
_GL_RENDERER = 0x1F01


class Drawing(NamedTuple):
    """How the scene is drawn."""

    painted: bool
    """Off screen, and from there painted like any panel. Where the processor is the graphics card,
    letting OpenGL lay the scene under the panels costs more than drawing it."""
    samples: int
    """Of each pixel, for smooth edges; 0 for one."""
    plain: bool
    """Without what costs much and tells nothing."""
    most_pixels: int
    """Of the scene's picture; 0 for as many as the window has."""


def drawing(quality: str, renderer: str) -> Drawing:
    """How to draw at ``low``, ``high`` or ``auto``: high unless the processor draws.

    Args:
        quality: what the viewer asked for.
        renderer: OpenGL's name of who draws; without one there is no graphics card either.
    """
    software = not renderer or any(name in renderer.lower() for name in SOFTWARE)
    if quality == "high" or (quality == "auto" and not software):
        return Drawing(software, SMOOTH_SAMPLES, plain=False, most_pixels=0)
    return Drawing(software, 0, plain=True, most_pixels=MOST_PIXELS if software else 0)


def renderer_name() -> str:
    """OpenGL's own name of who draws, empty where there is no OpenGL; needs a ``QApplication``."""
    surface, context = QOffscreenSurface(), QOpenGLContext()
    surface.create()
    if not context.create() or not context.makeCurrent(surface):
        return ""
    name: object = context.functions().glGetString(_GL_RENDERER)
    context.doneCurrent()
    return str(name or "")
