"""Objects whose pods are never created: quotas, limits, policies, webhooks, rights, kinds that nobody serves.

Controllers say it in events of what they work on; a ReplicaSet and a few others also in a condition.
"""

from __future__ import annotations

from fairlead.insight.findings import Layer
from fairlead.insight.seeing import Sign
from fairlead.insight.signs import SPARK_SAYS, event, has, logs, rule, says, step

_DOCS = "https://kubernetes.io/docs"


def _refused(message: str) -> tuple[Sign, ...]:
    """What an API server's refusal shows itself in: whoever wanted to create something repeats its words."""
    return (
        event(".*(Fail|Error|Denied|Invalid|Reject|Warning|Create).*", message),
        has("ReplicaFailure", "True", "", message),
        has("Failed", "True", "", message),
        has("Ready", "False", "", message),
        has("Succeeded", "False", "", message),
        has("Succeeded", "Unknown", "", message),
        says("status.message", message),
        says(SPARK_SAYS, message),
        step(message),
        logs(message),
    )


RULES = (
    rule(
        "quota-of-namespace",
        Layer.QUOTA,
        *_refused(
            r"exceeded quota: (?P<quota>[^,]+), requested: (?P<asked>.*?), "
            r"used: (?P<used>.*?), limited: (?P<limit>[^\"]*)"
        ),
        message="the ResourceQuota {quota} is used up: {asked} is asked for, {used} of {limit} is used",
        remedy="wait for others, ask for less, or raise it: kubectl describe resourcequota {quota} -n {namespace}",
        source=f"{_DOCS}/concepts/policy/resource-quotas/",
        kinds=(),
    ),
    rule(
        "quota-needs-requests",
        Layer.POLICY,
        *_refused(r"failed quota: (?P<quota>[^:]+): must specify (?P<what>.*)"),
        message="the ResourceQuota {quota} wants every pod to say {what}",
        remedy="set them: @step(cpu=..., memory=...), or give the namespace a LimitRange with defaults",
        source=f"{_DOCS}/concepts/policy/resource-quotas/",
        kinds=(),
    ),
    rule(
        "limit-range",
        Layer.POLICY,
        *_refused(r"(?P<bound>maximum|minimum) (?P<what>\S+) (usage )?per (Container|Pod) is (?P<limit>[^,\"]+)"),
        message="a LimitRange of the namespace has {limit} as the {bound} of {what}: {said}",
        remedy="keep within {limit} {what}: kubectl describe limitrange -n {namespace}",
        source=f"{_DOCS}/concepts/policy/limit-range/",
        kinds=(),
    ),
    rule(
        "pod-security",
        Layer.POLICY,
        *_refused(r"violates PodSecurity \"?(?P<level>[\w:.-]+)\"?: (?P<what>.*)"),
        message="the namespace demands the Pod Security Standard {level}: {what}",
        remedy="set what it lists in securityContext; drop the overlay that breaks it",
        source=f"{_DOCS}/concepts/security/pod-security-standards/",
        kinds=(),
    ),
    rule(
        "security-context-constraints",
        Layer.POLICY,
        *_refused(r"unable to validate against any security context constraint: (?P<what>.*)"),
        message="no SecurityContextConstraints that its ServiceAccount may use allow it: {what}",
        remedy="drop what they name from securityContext (runAsUser, fsGroup, privileged), or grant one that allows it:"
        " oc adm policy add-scc-to-user SCC -z SERVICEACCOUNT -n {namespace}",
        source="https://docs.openshift.com/container-platform/latest/authentication/managing-security-context-constraints.html",
        kinds=(),
    ),
    rule(
        "policy-denied",
        Layer.POLICY,
        *_refused(r"ValidatingAdmissionPolicy '(?P<policy>[^']+)' with binding '[^']+' denied request: (?P<why>.*)"),
        message="the policy {policy} refuses it: {why}",
        remedy="change what it names, or ask who made it: kubectl get validatingadmissionpolicy {policy} -o yaml",
        source=f"{_DOCS}/reference/access-authn-authz/validating-admission-policy/",
        kinds=(),
    ),
    rule(
        "priority-class-missing",
        Layer.STRUCTURE,
        *_refused(r"no PriorityClass with name (?P<what>\S+) was found"),
        message="the PriorityClass {what} is not there",
        remedy="name one of these: kubectl get priorityclasses; or have {what} created",
        source=f"{_DOCS}/concepts/scheduling-eviction/pod-priority-preemption/",
        kinds=(),
    ),
    rule(
        "runtime-class-missing",
        Layer.STRUCTURE,
        *_refused(r"RuntimeClass \"?(?P<what>[^\" ]+)\"? not found"),
        message="the RuntimeClass {what} is not there",
        remedy="name one of these: kubectl get runtimeclasses; or have {what} created",
        source=f"{_DOCS}/concepts/containers/runtime-class/",
        kinds=(),
    ),
    rule(
        "namespace-terminating",
        Layer.STRUCTURE,
        *_refused(r"in namespace (?P<what>\S+) because it is being terminated"),
        message="the namespace {what} is being deleted, and takes nothing new",
        remedy="use another namespace, or wait until it is gone and create it anew",
        source=f"{_DOCS}/tasks/administer-cluster/namespaces/",
        kinds=(),
    ),
    rule(
        "webhook-unreachable",
        Layer.POLICY,
        *_refused(r"fail(ed|ing) calling webhook \"(?P<webhook>[^\"]+)\": (?P<why>.*)"),
        message="the webhook {webhook} does not answer: {why}",
        remedy="look at the pods of the webhook's component: kubectl get validatingwebhookconfigurations,"
        "mutatingwebhookconfigurations names its Service",
        source=f"{_DOCS}/reference/access-authn-authz/extensible-admission-controllers/",
        kinds=(),
    ),
    rule(
        "webhook-denied",
        Layer.POLICY,
        *_refused(r"admission webhook \"(?P<webhook>[^\"]+)\" denied the request:?(?P<why>.*)"),
        message="the webhook {webhook} refuses it:{why}",
        remedy="change what it names, or ask who runs this policy",
        source=f"{_DOCS}/reference/access-authn-authz/extensible-admission-controllers/",
        kinds=(),
    ),
    rule(
        "service-account-missing",
        Layer.STRUCTURE,
        *_refused(r"serviceaccounts? \"(?P<account>[^\"]+)\" not found"),
        message="the ServiceAccount {account} is not there",
        remedy="kubectl create serviceaccount {account} -n {namespace}, or name another one",
        source=f"{_DOCS}/tasks/configure-pod-container/configure-service-account/",
        kinds=(),
    ),
    rule(
        "right-missing",
        Layer.POLICY,
        *_refused(
            r"(?P<who>[\w:.@-]{1,300})[\\\"]* cannot (?P<verb>\w+) resource [\\\"]+(?P<resource>[^\"\\]+)[\\\"]+ "
            r"in API group [\\]?\"(?P<group>[^\"\\]*)"
        ),
        message="{who} may not {verb} {resource}: {said}",
        remedy='grant it by a Role in {namespace}: apiGroups ["{group}"], resources [{resource}], verbs [{verb}]',
        source=f"{_DOCS}/reference/access-authn-authz/rbac/",
        kinds=(),
    ),
    rule(
        "kind-not-served",
        Layer.STRUCTURE,
        *_refused(r"no matches for kind \"(?P<kind>[^\"]+)\" in version \"(?P<version>[^\"]+)\""),
        message="the cluster serves no {kind} ({version})",
        remedy="install the component that brings {kind}, or choose another target",
        source=f"{_DOCS}/concepts/extend-kubernetes/api-extension/custom-resources/",
        kinds=(),
    ),
    rule(
        "object-invalid",
        Layer.STRUCTURE,
        *_refused(
            r"(?P<what>[\w.]{1,200} \"[^\"]+\") is invalid: (?P<why>.*)|"
            r"(?P<field>\S{1,200}): (Invalid value|Required value|Forbidden|Unsupported value): .*"
        ),
        message="the API server does not take it: {said}",
        remedy="correct the field that it names; a LimitRange or a webhook may have set it",
        source=f"{_DOCS}/reference/using-api/api-concepts/",
        kinds=(),
        confidence=0.9,
    ),
    rule(
        "object-too-large",
        Layer.STRUCTURE,
        *_refused(
            r"request is too large|Request entity too large|etcdserver: request is too large|"
            r"trying to send message larger than max|"
            r"Too long: (must have|may not be) (at most|more than) \d+ (bytes|characters)|"
            r"workflow is longer than maximum allowed size|offload.*node status"
        ),
        message="an object became too large for the API server: {said}",
        remedy="split it: fewer nodes of one workflow, smaller parameters, values in the store",
        source="https://etcd.io/docs/latest/dev-guide/limit/",
        kinds=(),
    ),
)
