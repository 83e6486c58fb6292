//! Lists (filters, cursors, limits) and `expand[]`, the same for every kind of object.

use serde_json::{Map, Value, json};

use super::{
    books::{Books, Kind},
    error::ApiError,
    form::Form,
    objects::{number, text},
};

/// One page of a kind, newest first. `filters` are parameters that equal the field of the same name.
/// Source: <https://docs.stripe.com/api/pagination>.
pub(super) fn list(
    books: &Books,
    kind: Kind,
    url: &str,
    form: &Form,
    filters: &[&str],
) -> Result<Value, ApiError> {
    const PAGING: [&str; 7] = [
        "created",
        "ending_before",
        "expand",
        "limit",
        "starting_after",
        "type",
        "types",
    ];
    form.only(&[&PAGING[..], filters].concat())?;
    let limit = form.integer("limit")?.unwrap_or(10);
    if !(1..=100).contains(&limit) {
        let message = "limit must be between 1 and 100.";
        return Err(ApiError::parameter(
            "parameter_invalid_integer",
            "limit",
            message,
        ));
    }
    let limit = usize::try_from(limit).unwrap_or(100);
    let created = Created::parse(form)?;
    let types: Vec<_> = form
        .get("type")
        .into_iter()
        .chain(form.list("types"))
        .collect();
    let fits = |object: &Value| {
        filters.iter().all(|name| {
            form.get(name)
                .is_none_or(|value| text(object, name) == value)
        }) && created.contains(number(object, "created"))
            && (types.is_empty()
                || types
                    .iter()
                    .any(|wanted| type_fits(wanted, text(object, "type"))))
    };

    // Cursors are places among all objects of the kind, whether or not the object there passes the filters.
    let place = |name: &str| match form.get(name) {
        None => Ok(None),
        Some(id) => {
            books.find(kind, id).map_err(|error| {
                ApiError {
                    status: 400,
                    ..error
                }
                .param(name)
            })?;
            Ok(books
                .all(kind)
                .iter()
                .rev()
                .position(|object| text(object, "id") == id))
        }
    };
    let (after, before) = (place("starting_after")?, place("ending_before")?);
    let mut found: Vec<&Value> = books
        .all(kind)
        .iter()
        .rev()
        .enumerate()
        .filter(|(at, object)| {
            after.is_none_or(|after| *at > after)
                && before.is_none_or(|before| *at < before)
                && fits(object)
        })
        .map(|(_, object)| object)
        .collect();
    let has_more = found.len() > limit;
    if before.is_some() {
        // The page next to the cursor, which for `ending_before` is the end of what was found.
        found.drain(..found.len().saturating_sub(limit));
    }
    found.truncate(limit);
    Ok(json!({ "object": "list", "data": found, "has_more": has_more, "url": url }))
}

/// `charge.dispute.*` stands for every type that begins so.
fn type_fits(wanted: &str, event_type: &str) -> bool {
    wanted
        .strip_suffix('*')
        .map_or(wanted == event_type, |prefix| {
            event_type.starts_with(prefix)
        })
}

/// The bounds of `created`, in whole seconds and both inclusive.
struct Created(i64, i64);

impl Created {
    fn parse(form: &Form) -> Result<Self, ApiError> {
        let bound = |name: &str| form.integer(&format!("created{name}"));
        let exact = bound("")?;
        let least = [exact, bound("[gte]")?, bound("[gt]")?.map(|time| time + 1)];
        let most = [exact, bound("[lte]")?, bound("[lt]")?.map(|time| time - 1)];
        let least = least.into_iter().flatten().max().unwrap_or(i64::MIN);
        Ok(Self(
            least,
            most.into_iter().flatten().min().unwrap_or(i64::MAX),
        ))
    }

    fn contains(&self, time: i64) -> bool {
        (self.0..=self.1).contains(&time)
    }
}

/// Puts whole objects in place of the ids that `expand[]` names, such as `payment_intent.latest_charge`.
/// Source: <https://docs.stripe.com/api/expanding_objects>.
pub(super) fn expand(books: &Books, answer: &mut Value, form: &Form) -> Result<(), ApiError> {
    for path in form.list("expand") {
        let steps: Vec<_> = path.split('.').collect();
        expand_path(books, answer, &steps).map_err(|NotExpandable| {
            ApiError::invalid(format!("This property cannot be expanded ({path}).")).param("expand")
        })?;
    }
    Ok(())
}

struct NotExpandable;

fn expand_path(books: &Books, value: &mut Value, steps: &[&str]) -> Result<(), NotExpandable> {
    let Some((step, rest)) = steps.split_first() else {
        return Ok(());
    };
    match value {
        Value::Array(values) => values
            .iter_mut()
            .try_for_each(|value| expand_path(books, value, steps)),
        Value::Null => Ok(()),
        Value::Object(fields) => {
            if !fields.contains_key(*step) {
                let list = on_demand(books, fields, step).ok_or(NotExpandable)?;
                fields.insert((*step).to_owned(), list);
            }
            let field = fields.get_mut(*step).ok_or(NotExpandable)?;
            if let Some(whole) = field.as_str().and_then(|id| books.find_any(id)) {
                *field = whole.clone();
            }
            // A leaf has to be an object that was expanded, or null; a way on may lead through lists.
            if field.is_string() {
                return Err(NotExpandable);
            }
            expand_path(books, field, rest)
        }
        _ => Err(NotExpandable),
    }
}

/// The lists that an object shows only when they are asked for.
fn on_demand(books: &Books, fields: &Map<String, Value>, step: &str) -> Option<Value> {
    let text_of = |name: &str| fields.get(name).and_then(Value::as_str);
    match (text_of("object")?, step) {
        ("checkout.session", "line_items") => Some(line_item_list(books, text_of("id")?)),
        ("charge", "refunds") => Some(refund_list(books, text_of("id")?)),
        _ => None,
    }
}

/// The charge's refunds as a list object, newest first.
fn refund_list(books: &Books, charge_id: &str) -> Value {
    let refunds = books.all(Kind::Refund).iter().rev();
    let refunds: Vec<_> = refunds
        .filter(|refund| text(refund, "charge") == charge_id)
        .collect();
    let url = format!("/v1/charges/{charge_id}/refunds");
    json!({ "object": "list", "data": refunds, "has_more": false, "url": url })
}

/// The session's line items as a list object.
pub(super) fn line_item_list(books: &Books, session_id: &str) -> Value {
    let items = books
        .data
        .particulars
        .get(session_id)
        .map_or(&[][..], |particulars| &particulars.line_items);
    let url = format!("/v1/checkout/sessions/{session_id}/line_items");
    json!({ "object": "list", "data": items, "has_more": false, "url": url })
}
