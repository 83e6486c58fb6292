//! The people whom the local Clerk knows, and how they look in its API and its events.

use std::{collections::BTreeMap, fs, io, path::Path};

use chrono::Utc;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{LocalClerk, LocalClerkError, UserEvent, mint::apply};

/// Somebody with an account at the local Clerk.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Person {
    /// Short name by which a developer or a test asks for this person.
    pub name: String,
    pub clerk_user_id: String,
    pub first_name: Option<String>,
    pub last_name: Option<String>,
    pub email: Option<String>,
    /// A JSON object.
    pub public_metadata: Value,
    /// Milliseconds since 1970, as Clerk counts.
    pub created_at: i64,
    pub updated_at: i64,
}

/// Everybody, as kept in memory and in the people file.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct People {
    present: BTreeMap<String, Person>,
    /// How many of each name have been deleted: whoever comes next under it is somebody new.
    departed: BTreeMap<String, u32>,
}

impl People {
    fn by_id(&mut self, clerk_user_id: &str) -> Option<&mut Person> {
        self.present
            .values_mut()
            .find(|person| person.clerk_user_id == clerk_user_id)
    }
}

/// The Clerk user id of the first person of a short name: it looks like Clerk's, and is the same everywhere.
#[must_use]
pub fn user_id(name: &str) -> String {
    format!("user_2{}", base62(&Sha256::digest(name), 26))
}

/// The first letters and digits that some bytes yield, at most one for each byte.
pub(super) fn base62(bytes: &[u8], length: usize) -> String {
    let symbols: Vec<char> = ('0'..='9').chain('A'..='Z').chain('a'..='z').collect();
    let symbol = |byte: &u8| symbols.get(usize::from(*byte) % symbols.len());
    bytes.iter().take(length).filter_map(symbol).collect()
}

fn check_name(name: &str) -> Result<(), LocalClerkError> {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if name.is_empty() || name.len() > 40 || !name.bytes().all(allowed) {
        let shown = name.chars().take(40).collect();
        return Err(LocalClerkError::Name(shown));
    }
    Ok(())
}

impl Person {
    /// `learner-1` becomes Learner 1 with the address learner-1@example.com.
    fn named(name: &str) -> Self {
        let (first, last) = name.split_once('-').unwrap_or((name, "Example"));
        let now = Utc::now().timestamp_millis();
        Self {
            name: name.to_owned(),
            clerk_user_id: user_id(name),
            first_name: Some(capitalised(first)),
            last_name: Some(capitalised(last)),
            email: Some(format!("{name}@example.com")),
            public_metadata: json!({}),
            created_at: now,
            updated_at: now,
        }
    }
}

fn capitalised(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(letters).collect()
    })
}

impl LocalClerk {
    /// The person of this name, made when there is none; `true` when made just now.
    ///
    /// # Errors
    /// [`LocalClerkError::Name`] for anything but 1 to 40 of `a-z`, `0-9` and `-`; [`LocalClerkError::File`]
    pub fn add_person(&self, name: &str) -> Result<(Person, bool), LocalClerkError> {
        check_name(name)?;
        let mut state = self.state();
        if let Some(person) = state.people.present.get(name) {
            return Ok((person.clone(), false));
        }
        let mut person = Person::named(name);
        if let Some(times) = state.people.departed.get(name) {
            person.clerk_user_id = user_id(&format!("{name} {times}"));
        }
        state.people.present.insert(name.to_owned(), person.clone());
        self.save(&state.people)?;
        Ok((person, true))
    }

    /// Everybody, the newest first.
    #[must_use]
    pub fn people(&self) -> Vec<Person> {
        let mut people: Vec<Person> = self.state().people.present.values().cloned().collect();
        people.sort_by(|a, b| (b.created_at, &b.name).cmp(&(a.created_at, &a.name)));
        people
    }

    /// The person with this Clerk user id.
    #[must_use]
    pub fn person(&self, clerk_user_id: &str) -> Option<Person> {
        self.state().people.by_id(clerk_user_id).cloned()
    }

    /// Changes a person and moves `updated_at` on, even within one millisecond; `None` when there is none.
    ///
    /// # Errors
    /// [`LocalClerkError::File`]
    pub fn update_person(
        &self,
        clerk_user_id: &str,
        change: impl FnOnce(&mut Person),
    ) -> Result<Option<Person>, LocalClerkError> {
        let mut state = self.state();
        let Some(person) = state.people.by_id(clerk_user_id) else {
            return Ok(None);
        };
        change(person);
        person.updated_at = Utc::now().timestamp_millis().max(person.updated_at + 1);
        let changed = person.clone();
        self.save(&state.people)?;
        Ok(Some(changed))
    }

    /// Merges into the public metadata; `null` removes a field.
    pub(super) fn merge_metadata(
        &self,
        id: &str,
        changes: &Value,
    ) -> Result<Option<Person>, LocalClerkError> {
        self.update_person(id, |person| apply(&mut person.public_metadata, changes))
    }

    /// Deletes a person and returns who it was. As with Clerk, whoever takes the name next gets a new id.
    ///
    /// # Errors
    /// [`LocalClerkError::File`]
    pub fn remove_person(&self, clerk_user_id: &str) -> Result<Option<Person>, LocalClerkError> {
        let mut state = self.state();
        let Some(person) = state.people.by_id(clerk_user_id).cloned() else {
            return Ok(None);
        };
        state.people.present.remove(&person.name);
        *state
            .people
            .departed
            .entry(person.name.clone())
            .or_default() += 1;
        self.save(&state.people)?;
        Ok(Some(person))
    }

    fn save(&self, people: &People) -> Result<(), LocalClerkError> {
        let Some(path) = &self.0.people_file else {
            return Ok(());
        };
        let text = serde_json::to_vec_pretty(people)?;
        let written = match path.parent() {
            Some(folder) => fs::create_dir_all(folder).and_then(|()| fs::write(path, text)),
            None => fs::write(path, text),
        };
        written.map_err(|source| LocalClerkError::File {
            path: path.clone(),
            source,
        })
    }
}

pub(super) fn load(path: &Path) -> Result<People, LocalClerkError> {
    match fs::read(path) {
        Ok(text) => serde_json::from_slice(&text).map_err(|_| LocalClerkError::Damaged {
            path: path.to_owned(),
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(People::default()),
        Err(source) => Err(LocalClerkError::File {
            path: path.to_owned(),
            source,
        }),
    }
}

/// Clerk's full user object and event envelopes, taken from the recorded ones.
pub(super) struct UserTemplate {
    present: Value,
    deleted: Value,
}

impl UserTemplate {
    pub(super) fn new() -> Result<Self, LocalClerkError> {
        Ok(Self {
            present: serde_json::from_str(include_str!(
                "../../../tests/fixtures/clerk/user.created.json"
            ))?,
            deleted: serde_json::from_str(include_str!(
                "../../../tests/fixtures/clerk/user.deleted.json"
            ))?,
        })
    }

    /// The user object of the Backend API.
    pub(super) fn user(&self, person: &Person) -> Value {
        let mut user = self.present.get("data").cloned().unwrap_or_default();
        let email_id = format!("idn_{}", base62(&Sha256::digest(&person.clerk_user_id), 27));
        let addresses: Vec<Value> = person
            .email
            .iter()
            .map(|email| {
                json!({
                    "email_address": email,
                    "id": email_id,
                    "linked_to": [],
                    "object": "email_address",
                    "verification": { "status": "verified", "strategy": "email_code" },
                })
            })
            .collect();
        let fields = [
            ("id", json!(person.clerk_user_id)),
            ("external_id", Value::Null),
            ("first_name", json!(person.first_name)),
            ("last_name", json!(person.last_name)),
            (
                "primary_email_address_id",
                json!(person.email.as_ref().map(|_| email_id)),
            ),
            ("email_addresses", json!(addresses)),
            ("public_metadata", person.public_metadata.clone()),
            ("created_at", json!(person.created_at)),
            ("updated_at", json!(person.updated_at)),
            ("last_sign_in_at", json!(person.updated_at)),
        ];
        set(&mut user, fields);
        user
    }

    /// The answer to a deletion, and the data of its event.
    pub(super) fn tombstone(&self, person: &Person) -> Value {
        let mut user = self.deleted.get("data").cloned().unwrap_or_default();
        set(&mut user, [("id", json!(person.clerk_user_id))]);
        user
    }

    pub(super) fn event(&self, kind: UserEvent, person: &Person, instance_id: &str) -> Value {
        let (mut event, data, timestamp) = match kind {
            UserEvent::Created | UserEvent::Updated => {
                (self.present.clone(), self.user(person), person.updated_at)
            }
            UserEvent::Deleted => (
                self.deleted.clone(),
                self.tombstone(person),
                Utc::now().timestamp_millis(),
            ),
        };
        let fields = [
            ("type", json!(kind.as_str())),
            ("data", data),
            ("timestamp", json!(timestamp)),
            ("instance_id", json!(instance_id)),
        ];
        set(&mut event, fields);
        event
    }
}

/// Replaces whole fields; unlike a merge it can set one to null.
fn set<const N: usize>(object: &mut Value, fields: [(&str, Value); N]) {
    if let Some(object) = object.as_object_mut() {
        object.extend(fields.map(|(field, value)| (field.to_owned(), value)));
    }
}
