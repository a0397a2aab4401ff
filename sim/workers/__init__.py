"""Batches of one run, spread over processes of this machine or over a Dask cluster."""
