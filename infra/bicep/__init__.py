"""Reads Bicep and says what a deployment would make: for the tests of infra/azure, and for the roles of the local stack."""
