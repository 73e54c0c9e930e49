"""Sends 20 records with the handler of Python's logging for Loki: python logging_handler.py URL"""

import logging
import sys

import logging_loki

# The handler reports what goes wrong by this; without it a refused record would go unseen.
logging.raiseExceptions = True
handler = logging_loki.LokiHandler(url=sys.argv[1], tags={"app": "python-logging"}, version="1")
handler.handleError = lambda record: sys.exit(f"refused: {sys.exc_info()[1]}")
logger = logging.getLogger("shop")
logger.setLevel(logging.INFO)
logger.addHandler(handler)
for number in range(20):
    logger.warning('order %d was "shipped" to Zürich', number, extra={"tags": {"part": str(number % 2)}})
