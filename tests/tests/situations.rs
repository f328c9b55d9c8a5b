//! Eleven situations out of the life of models, each told from end to end: the real programs, real files, and the questions
//! that a person asks afterwards.
//!
//! Each says in its header what happened, what a person must be told, and what a wrong answer would look like. It holds
//! line 1, the lines that matter, the members of the JSON and the exit status; and in the end an auditor finds the
//! record whole. Past times are given as the commands take them; no test waits for one.
#![cfg(test)]

#[path = "situations/stage.rs"]
mod stage;

#[path = "situations/lora_and_index.rs"]
mod lora_and_index;
#[path = "situations/overwritten_folder.rs"]
mod overwritten_folder;
#[path = "situations/canary_and_sync.rs"]
mod canary_and_sync;
#[path = "situations/poisoned_file.rs"]
mod poisoned_file;
#[path = "situations/two_teams.rs"]
mod two_teams;
#[path = "situations/copied_and_quantised.rs"]
mod copied_and_quantised;
#[path = "situations/vendors_model.rs"]
mod vendors_model;
#[path = "situations/ensemble.rs"]
mod ensemble;
#[path = "situations/batch_scorer.rs"]
mod batch_scorer;
#[path = "situations/repeated_evaluation.rs"]
mod repeated_evaluation;
#[path = "situations/set_image.rs"]
mod set_image;
