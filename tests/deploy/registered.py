"""The functions as the app registers them."""

from __future__ import annotations

import importlib
import pkgutil

import azure.functions as func

import functions


def scaling_alone() -> set[str]:
    """Return the functions that Flex Consumption scales each by itself: all that no HTTP request starts."""
    app = func.FunctionApp()
    for each in pkgutil.iter_modules(functions.__path__):
        module = importlib.import_module(f"functions.{each.name}")
        if hasattr(module, "blueprint"):
            app.register_functions(module.blueprint)
    kinds = {each.get_function_name(): each.get_trigger().get_dict_repr()["type"] for each in app.get_functions()}
    return {str(name) for name, kind in kinds.items() if kind != "httpTrigger"}
