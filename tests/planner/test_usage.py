"""Tables of usage: what a row says, and what is wrong with one that can't be."""

from __future__ import annotations

from fairlead.planner.usage import Usage, read_usage

HEAD = "workload,seconds,cpu_request_milli,memory_request_mib,cpu_used_milli,memory_used_mib"


def test_a_row_says_what_a_pod_asked_for_and_used() -> None:
    lines = [f"{HEAD},outcome,gpu_memory_used_mib,gpu_used_percent,note", "web,60,1000,512,200,100,oom-killed,1,99,x"]
    assert read_usage(lines).items == (
        Usage(
            workload="web", seconds=60, cpu_request_millis=1000, memory_request_bytes=512 << 20, cpu_used_millis=200,
            memory_used_bytes=100 << 20, killed=True, gpu_memory_bytes=1 << 20, gpu_percent=99,
        ),
    )  # fmt: skip


def test_what_is_empty_is_not_known() -> None:
    (found,) = read_usage([HEAD, "web,60,,,,"]).items
    assert found == Usage(
        workload="web", seconds=60, cpu_request_millis=None, memory_request_bytes=None, cpu_used_millis=None,
        memory_used_bytes=None,
    )  # fmt: skip


def test_what_can_not_be_is_named_by_its_line() -> None:
    bad = [",60,,,,", "web,0,,,,", "web,1,x,,,", "web,1,,-1,,", "web,1,,,", 'web,1,,,,"']
    assert [str(each) for each in read_usage([HEAD, *bad]).faults] == [
        "line 2: workload: is missing",
        "line 3: seconds: must be 1 to 316224000, got 0",
        "line 4: cpu_request_milli: 'x' is no whole number",
        "line 5: memory_request_mib: must be 0 to 1000000000000, got -1",
        "line 6: has 5 cells, the head has 6",
        "line 7: unexpected end of data",
    ]
    (fault,) = read_usage([f"{HEAD},outcome", "web,1,,,,,lost"]).faults
    assert str(fault) == "line 2: outcome: 'lost' is none of succeeded, failed, oom-killed"
    (fault,) = read_usage([f"{HEAD},gpu_used_percent", "web,1,,,,,101"]).faults
    assert str(fault) == "line 2: gpu_used_percent: must be 0 to 100, got 101"
    (fault,) = read_usage(["workload,seconds"]).faults
    assert "has no column cpu_request_milli" in str(fault)
