"""Runs the pipeline of this folder on one file, as a `runner.py` of tsdat does.

    run_pipeline.py INPUT STORAGE [--no-plots]

Says at the end how long it took without the start of Python and its imports.
"""

import json
import os
import sys
import time
from pathlib import Path

here = Path(__file__).parent
os.chdir(here)
sys.path.insert(0, str(here))
os.environ["TSDAT_STORAGE_ROOT"] = sys.argv[2]

from tsdat import PipelineConfig  # noqa: E402

overrides = {}
if "--no-plots" in sys.argv:
    overrides["/classname"] = "tsdat.IngestPipeline"
else:
    import pipelines.waves.pipeline  # noqa: F401

started = time.perf_counter()
config = PipelineConfig.from_yaml(Path("pipelines/waves/config/pipeline.yaml"), overrides)
config.instantiate_pipeline().run([sys.argv[1]])
print(json.dumps({"seconds": time.perf_counter() - started}))
