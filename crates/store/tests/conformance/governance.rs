//! What administrators keep: deny policies, and requests that wait for approval.

use latchkey_catalog::application::ApplicationStatus;
use latchkey_catalog::deny::{Denied, DeniedAddresses, DenyCondition, DenyPolicy, DenyState, Side};
use latchkey_catalog::id::EntryId;
use latchkey_catalog::workflow::{Workflow, WorkflowKind, WorkflowRequest, WorkflowStatus};
use latchkey_store::governance::WorkflowQuery;
use latchkey_store::registry::PageOf;
use latchkey_store::unit::{CatalogueChange, ChangeRefused, GovernanceChange, Ruling};

use crate::catalogue::refused;
use crate::lab::{Desk, Lab};

fn policy(desk: &Desk, condition: DenyCondition) -> DenyPolicy {
    desk.clock.advance_millis(1);
    DenyPolicy { id: desk.entry(), condition, state: DenyState::Active, created_at: desk.now() }
}

pub(crate) async fn deny_policies_are_kept_and_resolved(lab: &mut Lab) {
    let (alice, app) = lab.alice().await;
    let name = "alice".to_owned();
    let (first, last) = ("10.0.0.1".parse().unwrap(), "10.0.0.9".parse().unwrap());
    let of = |owner: &str, name: &str| DenyCondition::Application {
        owner: owner.to_owned(),
        name: name.to_owned(),
    };
    let conditions = [
        DenyCondition::Api { path: "/echo/1.0.0".to_owned() },
        of("alice", "Phone book"),
        of("alice", "Nothing"),
        of("nobody", "Phone book"),
        DenyCondition::User { name: name.clone() },
        DenyCondition::User { name: "nobody".to_owned() },
        DenyCondition::Ip { address: first, side: Side::Outside },
        DenyCondition::IpRange { first, last, side: Side::Inside },
    ];
    let policies = conditions.map(|condition| policy(lab, condition));
    for policy in &policies {
        let version = lab.store.catalogue_version();
        lab.change(GovernanceChange::AddDenyPolicy(policy.clone())).await;
        assert!(lab.store.catalogue_version() > version, "gateways hear of it");
    }
    assert_eq!(lab.store.deny_policies().await.unwrap(), policies);
    assert_eq!(lab.store.deny_policy(policies[1].id).await.unwrap().as_ref(), Some(&policies[1]));
    let expected = Denied {
        apis: ["/echo/1.0.0".to_owned()].into(),
        applications: [app.application].into(),
        users: [alice].into(),
        addresses: vec![
            DeniedAddresses { first, last: first, side: Side::Outside },
            DeniedAddresses { first, last, side: Side::Inside },
        ],
    };
    assert_eq!(lab.store.denied().await.unwrap(), expected);
    let twin = DenyPolicy { id: lab.entry(), ..policies[0].clone() };
    refused(lab, GovernanceChange::AddDenyPolicy(twin), ChangeRefused::NameTaken).await;
    for policy in &policies[4..] {
        lab.change(GovernanceChange::SetDenyState(policy.id, DenyState::Paused)).await;
    }
    lab.change(GovernanceChange::DeleteDenyPolicy(policies[0].id)).await;
    let denied = Denied { applications: [app.application].into(), ..Denied::default() };
    assert_eq!(lab.store.denied().await.unwrap(), denied);
    lab.change(CatalogueChange::DeleteApplication(app.application)).await;
    assert!(lab.store.denied().await.unwrap().is_empty());
    let gone = policies[0].id;
    refused(lab, GovernanceChange::DeleteDenyPolicy(gone), ChangeRefused::NotFound).await;
    refused(lab, GovernanceChange::SetDenyState(gone, DenyState::Active), ChangeRefused::NotFound).await;
}

fn workflow(desk: &Desk, kind: WorkflowKind, reference: EntryId) -> Workflow {
    desk.clock.advance_millis(1);
    let request = WorkflowRequest {
        properties: [("applicationName".to_owned(), "Shop".to_owned())].into(),
        description: "please".to_owned(),
        payload: serde_json::json!({"keys": ["PRODUCTION"]}),
    };
    let (id, status, at) = (desk.entry(), WorkflowStatus::Created, desk.now());
    Workflow { id, kind, status, reference, created_at: at, updated_at: at, request }
}

async fn waiting(desk: &Desk, kind: Option<WorkflowKind>) -> Vec<EntryId> {
    let page = PageOf { offset: 0, limit: 10 };
    let query = WorkflowQuery { status: WorkflowStatus::Created, kind, page };
    let found = desk.store.find_workflows(query).await.unwrap();
    assert_eq!(found.total, found.entries.len() as u64);
    found.entries.into_iter().map(|workflow| workflow.id).collect()
}

pub(crate) async fn a_request_waits_until_it_is_decided(lab: &mut Lab) {
    let alice = lab.user("alice").await;
    let mut application = lab.new_application("Shop", alice);
    application.status = ApplicationStatus::Created;
    let id = application.id;
    let asked = workflow(lab, WorkflowKind::ApplicationCreation, id);
    let with = Some(Box::new(CatalogueChange::AddApplication(application, None, Vec::new())));
    lab.change(GovernanceChange::RequestApproval { workflow: asked.clone(), with: with.clone() }).await;
    let again = workflow(lab, WorkflowKind::ApplicationCreation, lab.entry());
    let twice = GovernanceChange::RequestApproval { workflow: again.clone(), with };
    refused(lab, twice, ChangeRefused::NameTaken).await;
    assert_eq!(lab.store.workflow(again.id).await.unwrap(), None, "what is refused leaves no request");
    let keys = workflow(lab, WorkflowKind::ApplicationRegistrationProduction, id);
    lab.change(GovernanceChange::RequestApproval { workflow: keys.clone(), with: None }).await;
    let twice = workflow(lab, WorkflowKind::ApplicationRegistrationProduction, id);
    let twice = GovernanceChange::RequestApproval { workflow: twice, with: None };
    refused(lab, twice, ChangeRefused::HasKeys).await;
    assert_eq!(waiting(lab, None).await, [keys.id, asked.id], "the newest first");
    assert_eq!(waiting(lab, Some(WorkflowKind::ApplicationCreation)).await, [asked.id]);
    assert_eq!(lab.store.workflow(asked.id).await.unwrap(), Some(asked.clone()));
    assert_eq!(lab.store.workflows_about(id).await.unwrap(), [keys.clone(), asked.clone()]);
    let rule = |id, status, then: Option<CatalogueChange>| {
        let (description, then) = ("so be it".to_owned(), then.map(Box::new));
        GovernanceChange::Rule(Ruling { id, status, description, then })
    };
    let approve = CatalogueChange::SetApplicationStatus(id, ApplicationStatus::Approved);
    let impossible = CatalogueChange::SetApplicationStatus(lab.entry(), ApplicationStatus::Approved);
    let failing = rule(asked.id, WorkflowStatus::Approved, Some(impossible));
    refused(lab, failing, ChangeRefused::NotFound).await;
    assert_eq!(waiting(lab, None).await.len(), 2, "it waits on");
    lab.clock.advance_millis(1);
    lab.change(rule(asked.id, WorkflowStatus::Approved, Some(approve))).await;
    let held = lab.store.application(id).await.unwrap().unwrap();
    assert_eq!(held.status, ApplicationStatus::Approved);
    let expected = Workflow {
        status: WorkflowStatus::Approved,
        updated_at: lab.now(),
        request: WorkflowRequest { description: "so be it".to_owned(), ..asked.request.clone() },
        ..asked.clone()
    };
    assert_eq!(lab.store.workflow(asked.id).await.unwrap(), Some(expected));
    for status in [WorkflowStatus::Rejected, WorkflowStatus::Approved] {
        refused(lab, rule(asked.id, status, None), ChangeRefused::WrongState).await;
    }
    refused(lab, rule(keys.id, WorkflowStatus::Created, None), ChangeRefused::WrongState).await;
    lab.change(rule(keys.id, WorkflowStatus::Rejected, None)).await;
    assert_eq!(waiting(lab, None).await, []);
    refused(lab, rule(lab.entry(), WorkflowStatus::Approved, None), ChangeRefused::NotFound).await;
    let again = workflow(lab, WorkflowKind::ApplicationRegistrationProduction, id);
    lab.change(GovernanceChange::RequestApproval { workflow: again.clone(), with: None }).await;
    assert_eq!(waiting(lab, None).await, [again.id], "what was rejected may be asked for again");
    lab.change(CatalogueChange::DeleteApplication(id)).await;
    assert_eq!(waiting(lab, None).await, [], "nothing waits for what is gone");
}
