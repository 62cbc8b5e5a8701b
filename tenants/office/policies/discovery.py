"""Where the decision point of a store is found (AuthZEN 1.0, Policy Decision Point Metadata)."""

from flask import Blueprint, Response, jsonify, request

from webapp.identity.gate import public

bp = Blueprint("access_discovery", __name__)


@bp.get("/.well-known/authzen-configuration/t/<slug>/access/<store>")
@public
def configuration(slug: str, store: str) -> Response:
    """Tell the addresses of a store's decision point.

    It is told without asking whether there is such a store: who may not ask learns nothing of what there is.
    """
    # The address by which it was asked, as a client must compare the two; which hosts are served is checked before.
    base = f"{request.host_url.rstrip('/')}/t/{slug}/access/{store}"
    return jsonify(
        policy_decision_point=base,
        access_evaluation_endpoint=f"{base}/access/v1/evaluation",
        access_evaluations_endpoint=f"{base}/access/v1/evaluations",
        search_subject_endpoint=f"{base}/access/v1/search/subject",
        search_resource_endpoint=f"{base}/access/v1/search/resource",
        search_action_endpoint=f"{base}/access/v1/search/action",
    )
