//! Who may have which of the server's own scopes.

use super::*;

fn roles(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// A scope, and which of the roles subscriber, creator, publisher, admin and none may have it (T34).
const OPEN: [(&str, [bool; 5]); 8] = [
    ("apim:subscribe", [true, false, false, true, false]),
    ("apim:app_update", [true, false, false, true, false]),
    ("apim:api_create", [false, true, false, true, false]),
    ("apim:api_publish", [false, false, true, true, false]),
    ("apim:api_view", [false, true, true, true, false]),
    ("apim:admin", [false, false, false, true, false]),
    ("apim:store_settings", [true, true, true, true, true]),
    ("internal_login", [true, true, true, true, true]),
];

#[test]
fn a_role_opens_its_scopes() {
    let held = [&[SUBSCRIBER_ROLE][..], &[CREATOR_ROLE], &[PUBLISHER_ROLE], &[ADMIN_ROLE], &[]].map(roles);
    let known = known();
    for (name, expected) in OPEN {
        let scope = find(name).unwrap();
        assert_eq!([0, 1, 2, 3, 4].map(|at| scope.is_open_to(&held[at])), expected, "{name}");
        let may = |roles: &BTreeSet<String>| known[name].is_empty() || !known[name].is_disjoint(roles);
        assert_eq!([0, 1, 2, 3, 4].map(|at| may(&held[at])), expected, "{name} at the token endpoint");
    }
}

#[test]
fn each_scope_stands_once_and_can_be_asked_for() {
    let names: BTreeSet<&str> = SYSTEM_SCOPES.iter().map(|scope| scope.name).collect();
    assert_eq!(names.len(), SYSTEM_SCOPES.len());
    for scope in SYSTEM_SCOPES {
        assert!(latchkey_oauth::scope::Scope::parse(scope.name).is_ok(), "{}", scope.name);
        assert!(!scope.areas.is_empty() && !scope.description.is_empty(), "{}", scope.name);
        scope.roles.iter().for_each(|role| crate::name::check_role_name(role).unwrap());
    }
    assert!(INTROSPECTION_SCOPES.iter().all(|name| find(name).is_some_and(|scope| scope.roles.is_empty())));
    assert!(find("apim:nothing").is_none());
}

#[test]
fn an_area_names_its_scopes() {
    let devportal: Vec<_> = of_area(Area::Devportal).collect();
    assert!(devportal.contains(&"apim:subscribe") && devportal.contains(&"apim:app_import_export"));
    assert!(!devportal.contains(&"apim:admin"));
    assert!(of_area(Area::Admin).any(|name| name == "apim:app_import_export"));
}
