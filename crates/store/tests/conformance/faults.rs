//! The test of the suite: each planted fault is found by a case that passes without it.

use crate::faulty::{Fault, FaultyKind};
use crate::lab::Lab;

/// How often a race may be won by luck before the fault counts as not found.
const ATTEMPTS: usize = 5;

/// Makes a test for each fault: the named case passes on a sound store and fails on the faulty one.
macro_rules! planted {
    ($store:ident; $($name:ident: $fault:ident => $module:ident::$case:ident;)*) => {
        $(#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
        async fn $name() {
            let passes = async |fault| {
                let case = tokio::spawn(async move {
                    let kind = FaultyKind { kind: crate::stores::$store(), fault };
                    let mut lab = Lab::open(Box::new(kind)).await;
                    crate::$module::$case(&mut lab).await;
                    lab.audit().await;
                });
                !case.await.is_err_and(|error| error.is_panic())
            };
            assert!(passes(Fault::None).await, "the case fails without the fault");
            for _ in 0..ATTEMPTS {
                if !passes(Fault::$fault).await {
                    return;
                }
            }
            panic!("{} does not find {:?}", stringify!($case), Fault::$fault);
        })*
    };
}

planted! { memory;
    two_tokens_by_a_stale_read: StaleRead => races::opaque_requests_agree_on_one_token;
    two_generations_by_a_stale_read: StaleRead => races::renewing_requests_leave_one_token;
    two_successors_by_a_stale_read: StaleRead => races::parallel_refreshes_get_one_successor;
    resurrection_by_a_stale_read: StaleRead => resurrection::an_end_is_final;
    an_answer_before_the_end: EarlyAnswer => resurrection::an_end_is_final;
    an_issue_past_a_reset: EpochsIgnoredByIssue => epochs::a_stale_or_invented_epoch_issues_nothing;
    an_issue_racing_a_reset: EpochsIgnoredByIssue => epochs::a_new_password_ends_everything_of_the_user;
    an_issue_racing_the_loss_of_a_role: EpochsIgnoredByIssue => epochs::an_application_loses_what_its_owner_loses;
    a_token_of_the_deleted: EpochsIgnoredByReads => epochs::deleting_a_user_ends_everything_of_the_user;
    a_token_of_the_deleted_in_a_race: EpochsIgnoredByReads => resurrection::whoever_is_deleted_holds_nothing;
    a_limit_looked_at_too_early: LimitOutside => races::the_device_limit_holds_while_many_sign_in;
    a_refusal_looked_at_too_early: LimitOutside => races::a_full_holder_refuses_all_but_the_first;
    room_taken_by_the_dead: DeadCounted => limits::expired_families_make_room_even_where_the_request_gives_way;
    a_branch: Branch => refresh::a_lost_response_may_be_asked_for_again;
    a_branch_in_a_race: Branch => races::parallel_refreshes_get_one_successor;
    a_forgiven_replay: ReplayForgiven => refresh::a_replay_ends_that_device_only;
    a_token_for_anybody: AnyClient => refresh::a_token_in_other_hands_is_unknown;
    a_late_fill: UncheckedFill => resurrection::an_end_is_final;
    a_late_fill_of_an_api_key: UncheckedFill => api_keys::the_end_of_a_key_is_final;
    a_late_fill_after_a_reset: UncheckedFill => resurrection::a_reset_is_final;
    roles_of_yesterday: StaleCatalogue => catalogue::owner_roles_are_seen_by_the_next_request;
    scopes_of_yesterday: StaleCatalogue => catalogue::known_scopes_are_seen_by_the_next_request;
    a_catalogue_that_goes_back: StaleCatalogue => resurrection::the_catalogue_never_goes_back;
    a_change_nobody_hears_of: UncountedChange => catalogue::the_version_tells_of_what_routes_are_made_of;
    an_application_in_pieces: InPieces => catalogue::an_application_comes_with_its_subscriptions_or_not_at_all;
    a_number_after_its_successor: LateEvent => races::a_follower_misses_nothing;
    a_write_too_many: ReuseWrites => issue::an_opaque_token_is_handed_out_again_without_a_write;
    a_value_that_outlives_its_token: AliasesStay => aliases::a_renewal_moves_them;
    users_changed_in_pieces: InPieces => people::changes_of_many_users_are_made_together_or_not_at_all;
    a_total_of_the_page: TotalOfPage => people::users_come_in_pages_with_a_total;
    labels_of_devices_that_are_gone: LabelsStay => people::devices_have_labels_as_long_as_they_live;
    counts_that_are_not_added_up: CountsReplaced => records::counts_are_added_up_for_each_key;
    a_batch_that_counts_again: BatchesRepeat => records::a_batch_of_a_node_counts_once;
    records_for_ever: RecordsStay => records::records_go_when_their_time_is_over;
    a_limit_given_out_twice: LeaseInSteps => counts::many_who_ask_at_once_get_the_limit_together;
    permits_of_the_dead: BackToAnyCount => counts::what_comes_back_is_given_again;
    permits_from_before_a_reset: BackToAnyCount => counts::a_count_that_is_set_back_begins_anew;
    an_end_told_of_later: ToldLate => changes::an_end_is_told_before_it_is_answered;
    a_reset_told_of_later: ToldLate => changes::a_reset_is_told;
    a_renewal_told_to_nobody: Untold => changes::another_token_is_told_and_the_first_is_not;
    an_end_told_to_nobody: Untold => changes::a_follower_hears_of_every_end;
    use_that_was_none: UseOfAnything => refresh::a_lost_response_may_be_asked_for_again;
}

planted! { sqlite;
    an_end_that_does_not_last: EndInMemory => durable::what_ended_stays_ended;
}
