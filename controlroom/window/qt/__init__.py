"""The window itself: Qt widgets over the scene. Thin: what they say and where things are is decided beside."""
