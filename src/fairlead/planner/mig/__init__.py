"""MIG: how GPUs can be cut into instances, what finds a place on them, and how to cut them anew.

    cards.py          the profiles of each card, and where their instances may stand
    layouts.py        one GPU: which instances may stand beside each other
    texts.py          layouts and counts as people write them: ``3g.20gb+1g.5gb:2``
    placing.py        requests that come one after another, and go: first fit, best fit
    cutting.py        how the GPUs of a node are cut, and what part of one an instance is
    covering.py       the cheapest choice of one option for each GPU that gives what is needed
    packing.py        whether requests can be placed at all
    repartitioning.py what is cut anew, and which pods move, so that certain instances become free

Source: NVIDIA MIG User Guide, https://docs.nvidia.com/datacenter/tesla/mig-user-guide/
"""
