//! The conformance suite: what every store does, whatever it is made of.
//!
//! A case is a function of a [`lab::Lab`]. The macros at the end expand each to a named test for every
//! store; to add a store, add its lines there. After each case the store is audited: the event log has no
//! gap, and what is counted twice agrees.

#![expect(clippy::unwrap_used, reason = "a store that fails ends its test")]

mod aliases;
mod api_keys;
mod ask;
mod catalogue;
mod changes;
mod counts;
mod durable;
mod end;
mod epochs;
mod events;
mod faults;
mod faulty;
mod governance;
mod imports;
mod issue;
mod keys;
mod lab;
mod limits;
mod people;
mod published;
mod publishing;
mod races;
mod records;
mod refresh;
mod registry;
mod resurrection;
mod stores;
mod sweep;

/// Runs the cases, one test each, against the store that `$open` makes.
macro_rules! cases {
    ($open:path; $($module:ident: $($case:ident)*;)*) => {
        $(mod $module {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $case() {
                let mut lab = crate::lab::Lab::open($open()).await;
                crate::$module::$case(&mut lab).await;
                lab.audit().await;
            })*
        })*
    };
}

/// What every store does.
macro_rules! conformance {
    ($store:ident) => {
        mod $store {
            cases! { crate::stores::$store;
                issue:
                    a_first_request_makes_a_family
                    an_opaque_token_is_handed_out_again_without_a_write
                    the_decision_table_holds_through_the_store
                    a_second_or_less_counts_as_expired
                    every_part_of_the_key_tells_families_apart
                    equal_scope_sets_are_one_key
                    each_device_has_a_token_of_its_own
                    keep_previous_leaves_the_others_alone
                    tokens_that_never_expire_are_reused
                    a_key_whose_tokens_expired_keeps_its_family
                    a_token_after_a_narrowed_refresh_is_not_handed_out;
                refresh:
                    a_refresh_rotates_both_tokens
                    the_renewal_setting_rules_the_new_refresh_token
                    a_lost_response_may_be_asked_for_again
                    a_used_successor_shortens_the_retry_window
                    use_is_noted_once_and_for_the_current_generation
                    a_replay_ends_that_device_only
                    a_token_superseded_by_a_sign_in_changes_nothing
                    scope_may_narrow_and_never_widen
                    a_token_in_other_hands_is_unknown
                    tokens_that_never_were_are_unknown
                    an_expired_refresh_token_is_refused
                    a_retry_after_a_short_access_token_gets_a_fresh_one;
                end:
                    a_family_ends_whole
                    ending_twice_ends_nothing_more
                    a_device_ends_with_all_its_families
                    a_holder_ends_with_everything
                    a_user_ends_through_every_client
                    a_client_ends_for_every_subject
                    families_are_listed_by_subject_and_client
                    families_are_listed_by_client_for_every_subject;
                limits:
                    the_oldest_device_gives_way
                    age_is_counted_from_the_last_issue
                    a_device_counts_once_and_leaves_whole
                    the_oldest_family_gives_way
                    a_full_holder_may_refuse
                    a_device_stays_while_a_family_of_it_does
                    expired_families_make_room_first
                    expired_families_make_room_even_where_the_request_gives_way
                    families_from_before_a_reset_make_room
                    a_lowered_limit_is_reached_by_the_next_family;
                epochs:
                    deleting_a_user_ends_everything_of_the_user
                    a_name_given_again_is_another_user
                    locking_a_user_ends_everything_of_the_user
                    a_new_password_ends_everything_of_the_user
                    a_stronger_hash_of_the_same_password_ends_nothing
                    a_lost_role_ends_everything_and_a_new_one_nothing
                    an_application_loses_what_its_owner_loses
                    an_application_loses_what_a_new_owner_lacks
                    an_administrator_ends_everything_of_a_user
                    an_administrator_ends_everything_of_a_client
                    a_new_secret_ends_everything_of_the_client
                    deleting_an_application_ends_everything_of_it
                    a_stale_or_invented_epoch_issues_nothing;
                aliases:
                    drawn_values_are_found_and_handed_out_again
                    a_renewal_moves_them
                    a_raised_minimum_ends_them
                    a_refresh_keeps_those_before
                    they_vanish_with_the_family
                    a_new_family_under_the_key_has_values_of_its_own;
                api_keys:
                    keys_are_found_by_id_and_listed_by_application
                    names_of_keys_are_given_once
                    an_application_has_so_many_keys_and_no_more
                    another_value_ends_the_one_before
                    a_revoked_key_is_gone_and_told_of
                    what_a_key_opens_is_seen_by_the_next_call
                    the_end_of_a_key_is_final;
                imports:
                    an_application_comes_with_all_that_is_its_own
                    an_application_whose_key_is_taken_does_not_come
                    what_is_missing_is_said
                    a_token_works_on_until_it_is_refreshed
                    who_signs_in_again_gets_tokens_that_can_be_told
                    what_ended_since_does_not_come_again
                    the_newest_token_has_the_key_and_older_ones_stand_beside
                    what_is_held_here_does_not_give_way;
                sweep:
                    the_dead_are_reclaimed_and_the_living_stay
                    a_swept_holder_has_room
                    nothing_is_left_of_the_gone;
                catalogue:
                    users_are_found_by_name_and_id
                    names_are_given_once
                    what_is_not_there_is_not_found
                    an_application_comes_with_its_subscriptions_or_not_at_all
                    known_scopes_are_seen_by_the_next_request
                    owner_roles_are_seen_by_the_next_request
                    epochs_are_seen_by_the_next_request
                    clients_are_kept_whole
                    listings_are_paged_in_order
                    the_version_tells_of_what_routes_are_made_of
                    a_reader_who_trusts_the_version_holds_nothing_old;
                published:
                    a_subscription_has_a_tier_and_a_state
                    subscribing_again_frees_nothing_that_is_blocked
                    tiers_are_added_changed_and_removed
                    a_tier_in_use_stays
                    a_tier_that_is_not_there_is_given_to_nothing
                    an_update_keeps_what_it_does_not_say
                    the_life_of_an_api_goes_one_way
                    a_context_has_one_default_version
                    audiences_are_set_and_taken_back
                    a_retired_api_loses_its_subscriptions
                    an_api_with_subscriptions_stays
                    a_block_is_seen_by_the_next_call
                    subscriptions_are_listed_in_pages
                    a_node_is_known_by_its_secret;
                registry:
                    an_application_is_kept_whole
                    what_an_application_may_not_become_is_refused
                    another_owner_has_the_application_with_its_keys
                    a_registration_shares_no_names_with_portals
                    applications_are_sorted_and_paged
                    applications_are_found_by_a_part_of_their_name
                    a_group_sees_what_is_shared_with_it
                    a_subscription_keeps_its_id
                    subscriptions_are_counted
                    hostile_names_are_kept_as_they_are;
                publishing:
                    an_api_is_kept_with_its_listing
                    which_version_is_the_default_one_is_said_with_the_rest
                    listings_tell_how_callers_prove_themselves
                    only_what_is_deployed_is_in_force
                    revisions_are_kept_and_bounded
                    the_life_of_an_api_is_told
                    each_sees_the_apis_that_are_for_them
                    apis_are_searched_sorted_and_paged
                    a_shared_scope_has_its_roles_everywhere
                    roles_are_those_of_users_and_those_declared;
                governance:
                    deny_policies_are_kept_and_resolved
                    a_request_waits_until_it_is_decided;
                keys:
                    an_application_has_keys_of_each_type_once
                    removed_keys_are_dead
                    the_settings_of_keys_are_kept_whole
                    a_registered_client_is_mapped_and_goes_back
                    a_regenerated_secret_may_overlap
                    further_secrets_are_added_and_removed;
                people:
                    users_are_found_by_what_is_known_of_them
                    users_come_in_pages_with_a_total
                    several_changes_of_a_user_are_one
                    changes_of_many_users_are_made_together_or_not_at_all
                    devices_have_labels_as_long_as_they_live;
                records:
                    counts_are_added_up_for_each_key
                    usage_is_read_by_application_and_api_in_pages
                    the_last_sighting_of_a_device_stays
                    records_go_when_their_time_is_over
                    a_batch_of_a_node_counts_once
                    the_processes_of_a_node_that_are_remembered_are_few;
                counts:
                    a_count_gives_what_is_left_of_its_limit
                    each_key_has_a_count_of_its_own
                    every_window_is_counted_for_itself
                    what_comes_back_is_given_again
                    a_count_that_is_set_back_begins_anew
                    counts_that_are_over_are_removed
                    many_who_ask_at_once_get_the_limit_together;
                events:
                    every_change_is_noted_in_order
                    the_generations_of_a_family_are_noted
                    a_follower_reads_on_from_where_it_was
                    the_log_never_holds_more_than_its_bound
                    the_bound_holds_while_many_write
                    old_events_are_trimmed_by_time
                    a_trim_takes_a_thousand_at_most;
                changes:
                    an_end_is_told_before_it_is_answered
                    another_token_is_told_and_the_first_is_not
                    a_reset_is_told
                    what_a_client_is_known_by_is_told_of_it_alone
                    the_catalogue_is_told_of_and_users_are_not
                    a_follower_hears_of_every_end;
                races:
                    opaque_requests_agree_on_one_token
                    renewing_requests_leave_one_token
                    parallel_refreshes_get_one_successor
                    the_device_limit_holds_while_many_sign_in
                    a_full_holder_refuses_all_but_the_first
                    the_family_limit_holds_while_many_sign_in
                    a_follower_misses_nothing
                    the_log_tells_the_order_of_each_family;
                resurrection:
                    an_end_is_final
                    an_end_is_final_with_a_small_cache
                    a_reset_is_final
                    an_eviction_is_final
                    whoever_is_deleted_holds_nothing
                    the_catalogue_never_goes_back;
            }
        }
    };
}

/// What a store does besides, if it outlives the process.
macro_rules! durability {
    ($module:ident, $store:ident) => {
        mod $module {
            cases! { crate::stores::$store;
                durable:
                    families_are_found_again
                    what_ended_stays_ended
                    the_catalogue_is_found_again
                    the_log_goes_on_where_it_ended
                    counts_are_found_again
                    a_batch_that_was_taken_stays_taken
                    a_lowered_bound_is_reached
                    a_cache_of_one_entry_changes_nothing
                    the_use_of_the_cache_is_told;
                api_keys:
                    keys_are_kept;
                imports:
                    what_came_over_is_known_after_a_restart;
            }
        }
    };
}

conformance!(memory);
conformance!(sqlite);
durability!(sqlite_file, sqlite);
