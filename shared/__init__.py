"""The product: everything the functions call. Imports no azure.functions."""
