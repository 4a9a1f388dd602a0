"""The scene of the 3D window: numbers in numpy alone, and the VTK objects that show them.

``model.Scene`` turns states and trace messages into a ``Frame`` of buffers, as a pure function of
render time; ``build.Stage`` puts such a frame on any ``vtkRenderer``.
"""
