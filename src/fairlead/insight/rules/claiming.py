"""Pods that no node takes for what they claim: volumes, and what stands for devices."""

from __future__ import annotations

import re
from collections.abc import Iterator

from fairlead.insight.findings import Finder, Found, Layer
from fairlead.insight.nodes import CONTROL_PLANE
from fairlead.insight.rules.placing import unplaced, unplaced_rule
from fairlead.snapshots.snapshot import Snapshot, Thing, begun_of, message_of


def _claimed(words: str, message: str, remedy: str, *of_claim: str) -> Finder:
    """Make the finder of a pod whose claim of a volume is not there, not bound, or bound elsewhere.

    Args:
        words: What the scheduler says.
        message: What is the matter, with ``{claim}`` and ``{said}``.
        remedy: What to do about it.
        of_claim: The reason and the words of an event of the claim, without which the rule does not hold.
    """

    def find(pod: Thing, snapshot: Snapshot) -> Iterator[Found]:
        found = unplaced(pod, snapshot)
        said = re.search(words, found.message) if found else None
        if found is None or said is None:
            return
        names = [said.groupdict().get("claim") or ""]
        names += [each.text("persistentVolumeClaim.claimName") for each in pod.each("spec.volumes")]
        claims = [each for name in names if (each := snapshot.find("PersistentVolumeClaim", name, pod.ref.namespace))]
        claims = [each for each in claims if each.text("status.phase") != "Bound"] or claims
        evidence, told = found.evidence, ""
        if of_claim:
            heard = [
                (claim, each)
                for claim in claims
                for each in snapshot.events_of(claim)
                if re.fullmatch(of_claim[0], each.text("reason")) and re.search(of_claim[1], message_of(each))
            ]
            if not heard:
                return
            claims, told = [heard[-1][0]], message_of(heard[-1][1])
            evidence = (*heard[-1][1].cite("message", "note", "reason"), *evidence)
        name = claims[0].ref.name if claims else next(filter(None, names), "")
        others = [
            each.text for each in found.refusals if "volume" not in each.text and not CONTROL_PLANE.search(each.text)
        ]
        more_said = f"; others say: {', '.join(others)}" if others else ""
        values = {"claim": name, "said": told, "namespace": pod.ref.namespace, "others": more_said}
        more = claims[0].cite("status.phase", "spec.storageClassName") if claims else ()
        yield Found(
            (*evidence, *more),
            message.format(**values),
            remedy.format(**values),
            found.since,
            explains=" ".join(found.evidence[0][:2]),
            settles=tuple(each.uid for each in claims if each.uid),  # one that is the pod's own says the same
        )

    return find


_UNBOUND = r"unbound immediate PersistentVolumeClaims|unbound .*[Cc]laims|didn't find available persistent volumes"
_MISSING_CLASS = r'storageclass(es)?\S* "[^"]*" not found'


def _claim_missing(pod: Thing, snapshot: Snapshot) -> Iterator[Found]:
    """Yield a pod whose claim of devices, or its class, is not there."""
    for each in snapshot.events_of(pod):
        if each.text("reason") == "FailedResourceClaimCreation":
            remedy = "create the template that it names: kubectl get resourceclaimtemplates"
            yield Found(each.cite("message", "note", "reason"), message_of(each), remedy, begun_of(each))
            return
    claims = [each.text("resourceClaimName") for each in pod.each("spec.resourceClaims")]
    absent = [each for each in claims if each and not snapshot.find("ResourceClaim", each, pod.ref.namespace)]
    if absent and not pod.conditions and "resourceclaims" not in {each.what for each in snapshot.meta.unread}:
        yield Found(
            pod.cite("spec.resourceClaims"),
            f"it names the ResourceClaim {absent[0]}, which is not there",
            f"create it, or name another: kubectl get resourceclaims -n {pod.ref.namespace}",
            pod.text("metadata.creationTimestamp"),
        )
        return
    found = unplaced(pod, snapshot)
    said = found and re.search(
        r'resourceclaim "(?P<a>[^"]+)" not found|(waiting for|pod has) .*resource ?claim.*(created|not found|missing)|'
        r"device ?class \"?(?P<b>[^\" ]+)\"? (does not exist|not found)|"
        r'resourceclaimtemplate\S* "(?P<c>[^"]+)" not found|deleted resource ?claim|'
        r"resourceclaim .* not (found|created)",
        found.message,
        re.IGNORECASE,
    )
    if found and said:
        yield Found(
            found.evidence,
            f"what it needs to be given devices is not there: {said.group()}",
            "create it: kubectl get resourceclaims,resourceclaimtemplates,deviceclasses shows what there is",
            found.since,
        )


RULES = (
    unplaced_rule("volume-claim-missing", Layer.VOLUME, _claimed(
        r'persistentvolumeclaim "(?P<claim>[^"]+)" not found', "it mounts the claim {claim}, which is not there",
        "create the claim {claim}, or name another: kubectl get pvc -n {namespace}"), "storage/persistent-volumes/"),
    unplaced_rule("storage-class-missing", Layer.VOLUME, _claimed(
        ".", "the storage class of its claim {claim} is not there: {said}",
        "kubectl get storageclass; a claim of one of these, since the class of {claim} can't be changed",
        "ProvisioningFailed", _MISSING_CLASS), "storage/storage-classes/"),
    unplaced_rule("provisioning-failed", Layer.VOLUME, _claimed(
        ".", "no volume could be made for its claim {claim}: {said}",
        "mend what the provisioner says: kubectl describe pvc {claim} -n {namespace}", "ProvisioningFailed", "."),
        "storage/dynamic-provisioning/"),
    unplaced_rule("volume-claim-taken", Layer.VOLUME, _claimed(
        r"ReadWriteOncePod access mode", "another pod has its claim {claim}, which one pod can have",
        "wait until the other pod is gone, or take a claim with another access mode"), "storage/persistent-volumes/"),
    unplaced_rule("provisioner-missing", Layer.VOLUME, _claimed(
        _UNBOUND, "nobody makes the volume of its claim {claim}: {said}",
        "see that the provisioner that it names runs, or take another class: kubectl get storageclass,csidrivers",
        "ExternalProvisioning", "."), "storage/dynamic-provisioning/", 0.8),
    unplaced_rule("volume-none-fits", Layer.VOLUME, _claimed(
        r"didn't find available persistent volumes", "there is no volume for its claim {claim}",
        "create a volume that fits the claim {claim}, or a storage class with a provisioner"),
        "storage/persistent-volumes/"),
    unplaced_rule("volume-claim-unbound", Layer.VOLUME, _claimed(
        _UNBOUND, "its claim {claim} has no volume yet",
        "kubectl describe pvc {claim} -n {namespace}: its storage class must be there, and its provisioner must run"),
        "storage/persistent-volumes/"),
    unplaced_rule("volume-in-other-zone", Layer.VOLUME, _claimed(
        r"volume node affinity conflict|no available volume zone|didn't match PersistentVolume's node affinity",
        "the volume of its claim {claim} is in another zone, or on another node, than nodes that would take it{others}",
        "have room on nodes of the volume's zone, or a new claim of a storage class that waits for the first consumer"),
        "storage/storage-classes/"),
    unplaced_rule("volume-lost", Layer.VOLUME, _claimed(
        r"bound to non-existent (pv|persistentvolume)", "the volume of its claim {claim} is no more",
        "restore the volume, or make the claim {claim} anew"), "storage/persistent-volumes/"),
    unplaced_rule("device-claim-missing", Layer.PLACEMENT, _claim_missing,
        "scheduling-eviction/dynamic-resource-allocation/"),
)  # fmt: skip
