"""The scene on a ``vtkRenderer``: a dozen actors over the model's own memory.

Nothing is allocated after the start and nothing is copied in Python: VTK points at the buffers'
arrays, in tiers, so that a quiet scene does not pay for the room that a busy one needs.
"""

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import vtkmodules.vtkRenderingOpenGL2  # noqa: F401 -- registers the OpenGL classes
from numpy.typing import NDArray
from vtkmodules.util.numpy_support import numpy_to_vtk, numpy_to_vtkIdTypeArray
from vtkmodules.vtkCommonCore import vtkPoints
from vtkmodules.vtkCommonDataModel import vtkCellArray, vtkPolyData
from vtkmodules.vtkRenderingCore import (
    vtkActor,
    vtkGlyph3DMapper,
    vtkLight,
    vtkMapper,
    vtkPointGaussianMapper,
    vtkPolyDataMapper,
    vtkRenderer,
)

from controlroom.window.scene import ground_plane, shapes
from controlroom.window.scene.buffers import Bytes, Floats, Lines, Points, Ribbons
from controlroom.window.scene.eye import ANGLE_DEG, Eye, look
from controlroom.window.scene.model import Buffers
from controlroom.window.scene.palette import FLOOR, SKY, Colour

SMALLEST_TIER = 32
_SPLAT = """//VTK::Color::Impl
float left = 1.0 - dot(offsetVCVSOutput.xy, offsetVCVSOutput.xy) / 6.0;
if (left <= 0.0) { discard; }
opacity = opacity * left * left * left;
"""
"""A splat fades as (1 - d²/6)³: nearly a Gaussian, without its far rim, which nobody sees and a
processor pays for: a third less of it to fill."""
_TIERS = 2
"""Each tier has twice the room of the one before."""


class Tiers:
    """Data sets over one buffer's memory, each with room for more; the mapper gets the smallest that fits."""

    def __init__(
        self, mapper: vtkMapper, sizes: Sequence[int], make: Callable[[int], vtkPolyData]
    ) -> None:
        """Make a data set of each size."""
        self._mapper = mapper
        self._sizes = sizes
        self._sets = [make(size) for size in sizes]
        self._shown = -1
        self._version = -1

    def refresh(self, count: int, version: int) -> None:
        """The memory is at ``version``, ``count`` of its rows are in use."""
        if version == self._version:
            return
        self._version = version
        chosen = next((i for i, size in enumerate(self._sizes) if count <= size), -1)
        data = self._sets[chosen]
        if chosen != self._shown:
            self._mapper.SetInputDataObject(data)
            self._shown = chosen
        data.GetPoints().Modified()
        arrays = data.GetPointData()
        for number in range(arrays.GetNumberOfArrays()):
            arrays.GetArray(number).Modified()
        data.Modified()


class Stage:
    """The actors that show a ``Scene`` on a renderer.

    Args:
        renderer: of a window or off screen.
        buffers: the memory of the scene that is shown.
        plain: without what costs a processor most and tells nothing.
    """

    def __init__(self, renderer: vtkRenderer, buffers: Buffers, *, plain: bool = False) -> None:
        self._renderer = renderer
        self._buffers = buffers
        self._actors: list[vtkActor] = []
        self._tiers: list[tuple[Tiers, Points | Lines | Ribbons]] = []
        self._backdrop(gradient=not plain)
        for mesh in ground_plane.meshes():
            self._add(_flat(mesh), translucent=True)
        self._glyphs(buffers.services, shapes.services(), directed=False)
        self._glyphs(buffers.agents, shapes.agents(plain=plain), directed=False)
        self._glyphs(buffers.heads, shapes.heads(plain=plain), directed=True)
        for lines in (buffers.links, buffers.lines):
            self._strips(lines, partial(_polylines, lines))
        for ribbons in (buffers.floor, buffers.gauges, buffers.ribbons):
            self._strips(ribbons, partial(_quads, ribbons))
        self._splats(buffers.splats)

    @property
    def actors(self) -> int:
        """How many there are."""
        return len(self._actors)

    def refresh(self) -> None:
        """The buffers hold a new frame."""
        for tiers, buffer in self._tiers:
            tiers.refresh(buffer.count, buffer.version)

    def close(self) -> None:
        """Take everything off the renderer again."""
        for actor in self._actors:
            self._renderer.RemoveActor(actor)
        self._renderer.RemoveAllLights()
        self._actors.clear()
        self._tiers.clear()

    # --- what stands around ---------------------------------------------------------------------

    def _backdrop(self, *, gradient: bool) -> None:
        renderer = self._renderer
        renderer.SetBackground(*_share(FLOOR))
        renderer.SetBackground2(*_share(SKY))
        renderer.SetGradientBackground(gradient)
        # What is translucent here lies in its own plane or adds up: sorting it by weights (VTK's
        # default) costs a software renderer two more passes over the whole picture, a quarter of all.
        renderer.UseOITOff()
        renderer.RemoveAllLights()
        for place, colour, strength in (
            ((6.0, -16.0, 18.0), (226, 236, 255), 1.0),
            ((-14.0, 8.0, 7.0), (255, 196, 148), 0.55),
            ((10.0, 14.0, 3.0), (120, 170, 255), 0.5),
        ):
            light = vtkLight()
            light.SetLightTypeToSceneLight()
            light.SetPosition(*place)
            light.SetFocalPoint(0.0, 0.0, 0.0)
            light.SetColor(*_share(colour))
            light.SetIntensity(strength)
            renderer.AddLight(light)

    # --- actors ---------------------------------------------------------------------------------

    def _add(self, mapper: vtkMapper, *, translucent: bool) -> vtkActor:
        actor = vtkActor()
        actor.SetMapper(mapper)
        actor.PickableOff()
        if translucent:
            actor.ForceTranslucentOn()
            actor.GetProperty().LightingOff()
        else:
            actor.ForceOpaqueOn()
        self._renderer.AddActor(actor)
        self._actors.append(actor)
        return actor

    def _glyphs(self, points: Points, bodies: Sequence[vtkPolyData], *, directed: bool) -> None:
        mapper = vtkGlyph3DMapper()
        for number, body in enumerate(bodies):
            mapper.SetSourceData(number, body)
        mapper.SetSourceIndexing(True)
        mapper.SetSourceIndexArray("shape")
        mapper.SetScaling(True)
        mapper.SetScaleModeToScaleByMagnitude()
        mapper.SetScaleArray("size")
        mapper.SetOrient(directed)
        if directed:
            mapper.SetOrientationArray("direction")
            mapper.SetOrientationModeToDirection()
        _coloured(mapper)
        surface = self._add(mapper, translucent=False).GetProperty()
        surface.SetInterpolationToPhong()
        surface.SetAmbient(0.2)
        surface.SetDiffuse(0.86)
        surface.SetSpecular(0.4)
        surface.SetSpecularPower(34)
        self._follow(mapper, points, points.capacity, partial(_points, points))

    def _splats(self, points: Points) -> None:
        mapper = vtkPointGaussianMapper()
        mapper.SetScaleArray("size")
        mapper.SetScaleFactor(1.0)
        mapper.SetEmissive(True)
        mapper.SetBoundScale(math.sqrt(6.0))
        mapper.SetSplatShaderCode(_SPLAT)
        _coloured(mapper)
        # Emissive splats add up in any order: they are drawn with the opaque things, after them.
        self._add(mapper, translucent=False)
        self._follow(mapper, points, points.capacity, partial(_points, points))

    def _strips(self, buffer: Lines | Ribbons, make: Callable[[int], vtkPolyData]) -> None:
        mapper = vtkPolyDataMapper()
        _coloured(mapper)
        actor = self._add(mapper, translucent=True)
        actor.GetProperty().SetLineWidth(1.6)
        self._follow(mapper, buffer, buffer.capacity, make)

    def _follow(
        self,
        mapper: vtkMapper,
        buffer: Points | Lines | Ribbons,
        capacity: int,
        make: Callable[[int], vtkPolyData],
    ) -> None:
        sizes = [SMALLEST_TIER]
        while sizes[-1] < capacity:
            sizes.append(min(capacity, sizes[-1] * _TIERS))
        tiers = Tiers(mapper, sizes, make)
        tiers.refresh(0, 0)
        self._tiers.append((tiers, buffer))


# --- data sets over the buffers' memory -----------------------------------------------------------


def _coloured(mapper: Any) -> None:  # noqa: ANN401 -- VTK's mappers have no common type for this
    """Take colours as they are from the data set's scalars."""
    mapper.SetColorModeToDirectScalars()
    mapper.SetScalarModeToUsePointData()
    mapper.ScalarVisibilityOn()


def _named(array: NDArray[Any], name: str) -> Any:  # noqa: ANN401 -- VTK's arrays differ by type
    wrapped = numpy_to_vtk(array, deep=0)
    wrapped.SetName(name)
    return wrapped


def _over(places: Floats, colours: Bytes) -> vtkPolyData:
    data = vtkPolyData()
    points = vtkPoints()
    points.SetData(numpy_to_vtk(places, deep=0))
    data.SetPoints(points)
    data.GetPointData().SetScalars(_named(colours, "rgba"))
    return data


def _points(buffer: Points, count: int) -> vtkPolyData:
    data = _over(buffer.places[:count], buffer.colours[:count])
    arrays = data.GetPointData()
    arrays.AddArray(_named(buffer.sizes[:count], "size"))
    arrays.AddArray(_named(buffer.shapes[:count], "shape"))
    arrays.AddArray(_named(buffer.directions[:count], "direction"))
    return data


def _cells(corners: NDArray[np.int64]) -> vtkCellArray:
    count, size = corners.shape
    cells = vtkCellArray()
    offsets = np.arange(count + 1, dtype=np.int64) * size
    cells.SetData(
        numpy_to_vtkIdTypeArray(offsets, deep=1),
        numpy_to_vtkIdTypeArray(np.ascontiguousarray(corners).ravel(), deep=1),
    )
    return cells


def _polylines(buffer: Lines, count: int) -> vtkPolyData:
    rows = count * Lines.POINTS
    data = _over(buffer.places[:rows], buffer.colours[:rows])
    data.SetLines(_cells(buffer.cells()[:count]))
    return data


def _quads(buffer: Ribbons, count: int) -> vtkPolyData:
    rows = count * (Ribbons.PARTS + 1) * 2
    data = _over(buffer.places[:rows], buffer.colours[:rows])
    data.SetPolys(_cells(buffer.quads()[: count * Ribbons.PARTS]))
    return data


def _flat(mesh: ground_plane.Mesh) -> vtkMapper:
    """A mesh that never changes."""
    data = vtkPolyData()
    points = vtkPoints()
    points.SetData(numpy_to_vtk(mesh.places, deep=1))
    data.SetPoints(points)
    colours = numpy_to_vtk(mesh.colours, deep=1)
    colours.SetName("rgba")
    data.GetPointData().SetScalars(colours)
    (data.SetLines if mesh.curves else data.SetPolys)(_cells(mesh.cells))
    mapper = vtkPolyDataMapper()
    _coloured(mapper)
    mapper.SetInputData(data)
    return mapper


def _share(colour: Colour) -> tuple[float, float, float]:
    return colour[0] / 255, colour[1] / 255, colour[2] / 255


# --- the camera -----------------------------------------------------------------------------------


def point_camera(renderer: vtkRenderer, eye: Eye) -> None:
    """Let the renderer look as ``eye`` does."""
    camera = renderer.GetActiveCamera()
    camera.SetPosition(*eye.place)
    camera.SetFocalPoint(*eye.goal)
    camera.SetViewUp(0.0, 0.0, 1.0)
    camera.SetViewAngle(ANGLE_DEG)
    camera.SetClippingRange(0.1, 200.0)


def eye_of(renderer: vtkRenderer, width: int, height: int) -> Eye:
    """The eye that sees what the renderer's camera sees."""
    camera = renderer.GetActiveCamera()
    return look(camera.GetPosition(), camera.GetFocalPoint(), width, height)
