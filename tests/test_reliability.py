"""The ways in which a daily inventory pipeline fails, each with the test that shows it does not fail here."""

import re
from pathlib import Path

import pytest

ROWS = {  # number and failure: file and test
    "1 exact duplicate": ("orchestration/test_ingest", "test_the_same_bytes_sent_again_under_another_name_change_nothing"),
    "2 corrected re-send": (
        "orchestration/test_deliveries",
        "test_a_corrected_day_takes_the_place_of_the_whole_day_where_the_feed_says_so",
    ),
    "3 late file": ("orchestration/test_deliveries", "test_any_order_and_any_repetition_of_files_gives_the_same_table"),
    "4 half uploaded": ("orchestration/test_deliveries", "test_a_file_that_is_still_growing_is_left_alone"),
    "5 truncated": ("orchestration/test_deliveries", "test_a_file_cut_at_any_byte_is_refused_or_counted_short_never_taken_for_whole"),
    "6 schema drift": ("orchestration/test_ingest", "test_header_names_are_found_whatever_their_case"),
    "7 dialects": ("orchestration/test_ingest", "test_csv_json_lines_and_parquet_plain_and_packed_say_the_same"),
    "7 encodings": ("orchestration/test_ingest", "test_an_encoding_is_declared_never_guessed"),
    "8 corrupted": ("orchestration/test_deliveries", "test_a_manifest_finds_every_cut_and_every_flipped_bit_of_text_and_parquet"),
    "9 bombs": ("orchestration/test_deliveries", "test_a_bomb_is_refused_before_it_bursts"),
    "10 names, links, paths": ("orchestration/test_ingest", "test_growing_temporary_linked_and_oddly_named_files_are_left_alone"),
    "11 SQL in names": ("orchestration/test_deliveries", "test_the_reader_sees_its_folders_and_nothing_else_and_cannot_be_told_otherwise"),
    "12 impossible units": ("orchestration/test_ingest", "test_units_are_cast_strictly_or_quarantined_with_a_reason"),
    "12 improbable units": ("orchestration/test_ingest", "test_a_number_above_the_limit_that_the_settings_declare_is_quarantined"),
    "13 unknown SKU or node": ("orchestration/test_facts", "test_lines_of_unknown_masters_are_held_and_released_when_a_master_names_them"),
    "14 returns above sales": ("orchestration/test_facts", "test_units_asked_for_cancelled_and_returned_are_those_of_the_lines"),
    "15 missing is not zero": ("end_to_end/test_days", "test_a_missing_file_was_missing_and_not_zero_on_its_own_day"),
    "15 nor in the forecast": ("ml/test_forecast", "test_a_day_nobody_delivered_does_not_lower_the_weekday_of_the_baseline"),
    "16 time zones": ("orchestration/test_facts", "test_a_sale_belongs_to_the_day_of_its_node_s_own_clock_also_on_days_of_23_and_25_hours"),
    "17 clocks": ("orchestration/test_deliveries", "test_an_event_of_the_day_after_tomorrow_is_quarantined_and_a_fast_clock_is_not"),
    "18 cases, money": ("orchestration/test_deliveries", "test_cases_are_counted_in_base_units_and_an_undeclared_unit_is_no_guess"),
    "19 personal data": ("end_to_end/test_days", "test_personal_data_is_nowhere_below_the_deployment_but_in_the_files_that_wait"),
    "19 in any format": ("orchestration/test_ingest", "test_personal_data_in_a_column_of_the_contract_is_taken_out_at_the_door"),
    "20 killed": ("end_to_end/test_kill", "test_a_killed_run_leaves_nothing_behind"),
    "21 orphan run": ("end_to_end/test_kill", "test_a_killed_run_leaves_nothing_behind"),
    "22 disk full": (
        "orchestration/test_housekeeping",
        "test_a_disk_that_fills_while_the_day_runs_leaves_what_stood_and_the_next_run_is_whole",
    ),
    "23 locked by a reader": ("orchestration/test_warehouse", "test_a_reader_that_stays_is_named_with_what_to_do"),
    "24 runs at once": ("orchestration/test_warehouse", "test_a_second_run_waits_for_the_first_and_goes_on_when_that_is_killed"),
    "25 two servers": (
        "orchestration/test_housekeeping",
        "test_a_second_server_of_a_deployment_ends_with_a_message_until_the_first_is_gone",
    ),
    "26 event log": ("orchestration/test_housekeeping", "test_old_runs_are_deleted_with_their_log_and_young_ones_stay"),
    "27 lost warehouse": ("end_to_end/test_days", "test_a_garbled_warehouse_is_made_again_with_the_same_hashes"),
    "28 partial publish": ("end_to_end/test_days", "test_a_reader_sees_whole_days_only"),
}


@pytest.mark.parametrize("row", ROWS)
def test_every_failure_has_its_test(row: str) -> None:
    file, name = ROWS[row]
    assert re.search(rf"^def {name}\(", (Path(__file__).parent / f"{file}.py").read_text(), re.M)


def test_no_row_is_left_out() -> None:
    assert {int(row.split()[0]) for row in ROWS} == set(range(1, 29))
