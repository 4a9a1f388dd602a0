"""Tests of single modules: values in, values out."""
