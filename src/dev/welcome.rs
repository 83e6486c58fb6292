//! What `cargo run` tells the person who started it.

use super::clerk::{LocalClerk, TokenOptions};
use crate::app::AppState;
use crate::demo::{self, Person};

/// Makes a person of the demo store known to the local Clerk, as they are called there.
fn introduce(clerk: &LocalClerk, person: &Person) -> anyhow::Result<()> {
    let (known, is_new) = clerk.add_person(&person.name)?;
    if is_new {
        let (first, last) = person
            .full_name
            .split_once(' ')
            .unwrap_or((&person.full_name, ""));
        clerk.update_person(&known.clerk_user_id, |known| {
            known.first_name = Some(first.to_owned());
            known.last_name = Some(last.to_owned());
            known.email = Some(person.email.clone());
        })?;
    }
    Ok(())
}

/// Prints where everything is, who the demo people are with a token each, and a first request to paste.
///
/// # Errors
/// When a token cannot be made.
pub fn print(state: &AppState, clerk: &LocalClerk, local: &str) -> anyhow::Result<()> {
    let api = &state.config.public_url;
    println!("\nThe store is open.\n");
    println!("  API           {api}/v1/products");
    println!("  Swagger UI    {api}/docs");
    println!("  Local Stripe  {local}/stripe\n");
    println!(
        "Demo people, each with a session token (more from POST {api}/dev/tokens {{\"user\":\"<name>\"}}):\n"
    );
    let mut first = None;
    for person in demo::people()? {
        introduce(clerk, &person)?;
        let token = clerk.mint(&person.clerk_user_id, &TokenOptions::default())?;
        println!(
            "  {:<10} {} ({})\n  {token}\n",
            person.name,
            person.full_name,
            person.role.label()
        );
        if person.name == "learner-1" {
            first = Some(token);
        }
    }
    if let Some(token) = first {
        println!("Try it:\n\n  curl -H 'Authorization: Bearer {token}' {api}/v1/me/courses\n");
    }
    Ok(())
}
