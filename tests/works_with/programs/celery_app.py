"""A Celery application: green from the start, or in each child of a prefork pool (EARLY unset)."""

import os

if "EARLY" in os.environ:
    import pywats_green  # noqa: F401

from celery import Celery
from celery.signals import worker_process_init

FOLDER = os.environ["CELERY_FOLDER"]
app = Celery("celery_app", broker="filesystem://", backend=f"file://{FOLDER}/results")
app.conf.broker_transport_options = {
    "data_folder_in": f"{FOLDER}/queue",
    "data_folder_out": f"{FOLDER}/queue",
    "control_folder": f"{FOLDER}/control",
}


@worker_process_init.connect
def import_late(**_):
    import pywats_green  # noqa: F401


@app.task
def read(number):
    import pywats_green  # isort: split
    from pywats import pyWATS

    with (
        pyWATS(
            base_url=os.environ["WATS_URL"], token=os.environ["WATS_TOKEN"], enable_cache=False
        ) as api,
        pywats_green.Pool(4) as pool,
    ):
        products = pool.map(api.product.get_product, [f"PN-{number:05}"] * 4)
    return [pywats_green.is_active(), *{product.part_number for product in products if product}]
