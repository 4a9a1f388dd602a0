"""The bodies that glyphs are made of: each role, each kind of message, a shape of its own.

All are about one unit in radius, point along x where they have a direction, and carry normals.
"""

import math

from vtkmodules.vtkCommonComputationalGeometry import vtkParametricTorus
from vtkmodules.vtkCommonCore import vtkPoints
from vtkmodules.vtkCommonDataModel import vtkCellArray, vtkPolyData
from vtkmodules.vtkCommonTransforms import vtkTransform
from vtkmodules.vtkFiltersCore import vtkAppendPolyData, vtkPolyDataNormals, vtkTriangleFilter
from vtkmodules.vtkFiltersGeneral import vtkTransformFilter
from vtkmodules.vtkFiltersSources import (
    vtkConeSource,
    vtkCubeSource,
    vtkParametricFunctionSource,
    vtkPlatonicSolidSource,
    vtkSphereSource,
)

SHARP_DEG = 30.0
"""Edges sharper than this stay sharp."""


def _with_normals(data: vtkPolyData, *, sharp: bool = True) -> vtkPolyData:
    triangles = vtkTriangleFilter()
    triangles.SetInputData(data)
    normals = vtkPolyDataNormals()
    normals.SetInputConnection(triangles.GetOutputPort())
    normals.SetFeatureAngle(SHARP_DEG)
    normals.SetSplitting(sharp)
    normals.ConsistencyOn()
    normals.AutoOrientNormalsOn()
    normals.Update()
    out = vtkPolyData()
    out.ShallowCopy(normals.GetOutput())
    out.GetPointData().SetTCoords(None)
    return out


def _moved(
    data: vtkPolyData,
    *,
    scale: tuple[float, float, float] = (1.0, 1.0, 1.0),
    turn: tuple[float, float, float, float] = (0.0, 1.0, 0.0, 0.0),
    by: tuple[float, float, float] = (0.0, 0.0, 0.0),
) -> vtkPolyData:
    """Scaled, then turned by degrees about an axis, then moved."""
    transform = vtkTransform()
    transform.Translate(*by)
    transform.RotateWXYZ(*turn)
    transform.Scale(*scale)
    moved = vtkTransformFilter()
    moved.SetInputData(data)
    moved.SetTransform(transform)
    moved.Update()
    out = vtkPolyData()
    out.ShallowCopy(moved.GetOutput())
    return out


def _joined(parts: vtkAppendPolyData) -> vtkPolyData:
    parts.Update()
    out = vtkPolyData()
    out.ShallowCopy(parts.GetOutput())
    return out


def sphere(detail: int) -> vtkPolyData:
    """A ball with ``detail`` parts around."""
    source = vtkSphereSource()
    source.SetRadius(1.0)
    source.SetThetaResolution(detail)
    source.SetPhiResolution(detail)
    source.Update()
    return _with_normals(source.GetOutput(), sharp=False)


def octahedron(stretch: float = 1.0) -> vtkPolyData:
    """Eight faces; stretched along x it is a dart."""
    source = vtkPlatonicSolidSource()
    source.SetSolidTypeToOctahedron()
    source.Update()
    plain = vtkPolyData()
    plain.SetPoints(source.GetOutput().GetPoints())
    plain.SetPolys(source.GetOutput().GetPolys())
    return _with_normals(_moved(plain, scale=(1.2 * stretch, 1.2, 1.2)))


def spike(height: float = 1.7, radius: float = 1.0, sides: int = 4) -> vtkPolyData:
    """A pyramid that points along x."""
    source = vtkConeSource()
    source.SetHeight(height)
    source.SetRadius(radius)
    source.SetResolution(sides)
    source.SetDirection(1.0, 0.0, 0.0)
    source.Update()
    return _with_normals(source.GetOutput())


def pyramid() -> vtkPolyData:
    """A pyramid that stands upright."""
    return _with_normals(_moved(spike(1.75, 1.18), turn=(-90.0, 0.0, 1.0, 0.0), by=(0, 0, 0.15)))


def cube(size: float = 1.45) -> vtkPolyData:
    """Six faces, turned a little, so that two of them are seen."""
    source = vtkCubeSource()
    source.SetXLength(size)
    source.SetYLength(size)
    source.SetZLength(size)
    source.Update()
    return _with_normals(_moved(source.GetOutput(), turn=(28.0, 0.0, 0.0, 1.0)))


def torus(hole: float, thick: float, detail: int, *, upright: bool) -> vtkPolyData:
    """A ring: lying, or upright with its hole along x."""
    shape = vtkParametricTorus()
    shape.SetRingRadius(hole)
    shape.SetCrossSectionRadius(thick)
    source = vtkParametricFunctionSource()
    source.SetParametricFunction(shape)
    source.SetUResolution(detail)
    source.SetVResolution(max(6, detail // 2))
    source.SetWResolution(1)
    source.GenerateTextureCoordinatesOff()
    source.Update()
    turn = (90.0, 0.0, 1.0, 0.0) if upright else (0.0, 1.0, 0.0, 0.0)
    return _with_normals(_moved(source.GetOutput(), turn=turn), sharp=False)


def ringed_ball() -> vtkPolyData:
    """A ball in a ring: the one that speaks to people."""
    both = vtkAppendPolyData()
    both.AddInputData(_moved(sphere(18), scale=(0.62, 0.62, 0.62)))
    both.AddInputData(torus(1.0, 0.17, 28, upright=False))
    return _joined(both)


def pair(detail: int) -> vtkPolyData:
    """Two small balls, one behind the other."""
    both = vtkAppendPolyData()
    for x in (-0.75, 0.75):
        both.AddInputData(_moved(sphere(detail), scale=(0.72, 0.72, 0.72), by=(x, 0.0, 0.0)))
    return _joined(both)


def prism(sides: int, height: float, bevel: float = 0.14) -> vtkPolyData:
    """A flat prism that stands on z = 0, its upper edge bevelled."""
    points, faces = vtkPoints(), vtkCellArray()
    for z, radius in ((0.0, 1.0), (height - bevel, 1.0), (height, 1.0 - bevel)):
        for k in range(sides):
            angle = 2 * math.pi * (k + 0.5) / sides
            points.InsertNextPoint(radius * math.cos(angle), radius * math.sin(angle), z)
    for low in (0, sides):
        for k in range(sides):
            after = (k + 1) % sides
            faces.InsertNextCell(4, (low + k, low + after, low + after + sides, low + k + sides))
    faces.InsertNextCell(sides, tuple(range(2 * sides, 3 * sides)))
    data = vtkPolyData()
    data.SetPoints(points)
    data.SetPolys(faces)
    return _with_normals(data)


def cross() -> vtkPolyData:
    """Three bars at right angles: an X from wherever it is seen."""
    both = vtkAppendPolyData()
    for lengths in ((2.0, 0.42, 0.42), (0.42, 2.0, 0.42), (0.42, 0.42, 2.0)):
        bar = vtkCubeSource()
        bar.SetXLength(lengths[0])
        bar.SetYLength(lengths[1])
        bar.SetZLength(lengths[2])
        bar.Update()
        tilted = _moved(bar.GetOutput(), turn=(45.0, 1.0, 0.0, 0.0))
        both.AddInputData(_with_normals(_moved(tilted, turn=(45.0, 0.0, 1.0, 0.0))))
    return _joined(both)


def agents(*, plain: bool) -> list[vtkPolyData]:
    """Bodies in the order of ``palette.ROLES``; ``plain`` ones are less round."""
    return [sphere(20 if plain else 32), octahedron(), pyramid(), cube(), ringed_ball()]


def services() -> list[vtkPolyData]:
    """A service, and somebody who only calls."""
    return [prism(6, 0.42), prism(28, 0.24)]


def actuator() -> vtkPolyData:
    """Two pyramids, foot to foot."""
    both = vtkAppendPolyData()
    for turn in (-90.0, 90.0):
        half = _moved(spike(1.5, 0.8, 6), by=(0.75, 0.0, 0.0))
        both.AddInputData(_moved(half, turn=(turn, 0.0, 1.0, 0.0)))
    return _with_normals(_joined(both))


def heads(*, plain: bool) -> list[vtkPolyData]:
    """Messages by kind, then what else flies or hovers: cross, plate, spike, actuator.

    Those of which there are many are less round where they are ``plain``.
    """
    return [
        sphere(9 if plain else 14),
        pair(6 if plain else 8),
        octahedron(1.45),
        cube(1.3),
        torus(0.95, 0.3, 16, upright=True),
        sphere(6),
        cross(),
        _moved(prism(6, 0.36), by=(0.0, 0.0, -0.18)),
        spike(1.6, 0.42, 5),
        actuator(),
    ]
