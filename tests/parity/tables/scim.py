"""Users."""

from pywats.domains.scim.models import ScimPatchOperation, ScimPatchRequest, ScimUser

from parity.rows import MISSING, call, kept

NEW = ScimUser(user_name="åse@example.com", display_name="Åse", active=True)
PATCH = ScimPatchRequest(operations=[ScimPatchOperation(path="displayName", value="Ny")])
USER = kept("users.resources.0.id")

ROWS = (
    call("get_token"),
    call("get_token", 7),
    call("get_token", 0),
    call("get_users", keep="users"),
    call("get_users", 2, 1),
    call("get_users", start_index=1000),
    call("iter_users"),
    call("iter_users", 1, 2),
    call("get_user", USER),
    call("get_user", MISSING),
    call("get_user", ""),
    call("get_user_by_username", kept("users.resources.0.user_name")),
    call("get_user_by_username", "nobody+1@example.com"),
    call("get_user_by_username", ""),
    call("create_user", NEW),
    call("update_user", USER, PATCH),
    call("update_user", MISSING, PATCH),
    call("deactivate_user", USER),
    call("deactivate_user", MISSING),
    call("set_user_active", USER, active=True),
    call("set_user_active", MISSING, active=False),
    call("update_display_name", USER, "Ny Ålesund"),
    call("update_display_name", MISSING, "Ny"),
    call("delete_user", USER),
    call("delete_user", MISSING),
    call("delete_user", ""),
)
