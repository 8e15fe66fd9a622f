"""Run by a Python that has the SDK of Kubeflow Pipelines: what it makes of a package.

    python locally.py check PACKAGE              reads it, and writes it again as its compiler does
    python locally.py run PACKAGE START FOLDER   goes through it by its local runner: graph, loops and conditions

Of the two local runners one takes Python functions only, and the other needs Docker. So the first is given a container's
command here, and starts it as a process: of the Python that tests run with, in the place of an image, and with folders
in the place of volumes. All else is the SDK's own.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import yaml
from google.protobuf import json_format
from kfp import compiler, components, local
from kfp.kubernetes import kubernetes_executor_config_pb2 as kubernetes
from kfp.local import status, subprocess_task_handler
from kfp.pipeline_spec import pipeline_spec_pb2


class AsProcess(subprocess_task_handler.SubprocessTaskHandler):
    """Starts a container's command as a process."""

    start: tuple[str, ...] = ()
    folder = ""

    def validate_image(self, image: str) -> None:
        """Take any."""

    def validate_not_container_component(self, full_command: list[str]) -> None:
        """Take those, too."""

    def run(self) -> status.Status:
        """Run the command to its end."""
        python, script, *arguments = self.full_command
        assert (python, script) == ("python3", "/opt/fairlead/start.py"), self.full_command
        work = tempfile.mkdtemp(dir=self.folder)
        command = [*self.start, *(each.replace("/fairlead-work", work) for each in arguments)]
        code = subprocess_task_handler.run_local_subprocess(command, {"HOME": work})
        with (Path(self.folder) / "tasks").open("a") as file:
            print(json.dumps([code, arguments]), file=file)
        return status.Status.SUCCESS if code == 0 else status.Status.FAILURE


def check(package: str) -> None:
    """Print what the SDK has read of a package, by its compiler, and each part by the definition of its form."""
    again = Path(tempfile.mkdtemp()) / "again.yaml"
    compiler.Compiler().compile(components.load_component_from_file(package), str(again))
    pipeline, platform = yaml.safe_load_all(Path(package).read_text("utf-8"))
    configs = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    executors = pipeline["deploymentSpec"]["executors"]
    read = {
        "pipeline": _form(pipeline, pipeline_spec_pb2.PipelineSpec()),
        "deployment": _form(pipeline["deploymentSpec"], pipeline_spec_pb2.PipelineDeploymentConfig()),
        "platform": _form(platform, pipeline_spec_pb2.PlatformSpec()),
        "configs": {name: _form(each, kubernetes.KubernetesExecutorConfig()) for name, each in configs.items()},
        "again": list(yaml.safe_load_all(again.read_text("utf-8"))),
        "executors": sorted(executors),
    }
    print(json.dumps(read))


def _form(document: object, message: object) -> object:
    """Return a document as it comes back from the message that defines it, which takes no unknown field."""
    return json_format.MessageToDict(json_format.ParseDict(document, message))


def run(package: str, start: str, folder: str) -> None:
    """Go through a package; raises where the job has failed."""
    AsProcess.start, AsProcess.folder = tuple(json.loads(start)), folder
    subprocess_task_handler.SubprocessTaskHandler = AsProcess
    local.init(local.SubprocessRunner(use_venv=False), pipeline_root=f"{folder}/outputs")
    components.load_component_from_file(package)()


if __name__ == "__main__":
    {"check": check, "run": run}[sys.argv[1]](*sys.argv[2:])
