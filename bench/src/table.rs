//! Figures for people: medians, columns, and what was promised.

/// The one in the middle; 0 of none.
pub fn median(numbers: &mut [f64]) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied().unwrap_or_default()
}

/// Prints rows under a head as a Markdown table.
pub fn print(head: &[&str], rows: &[Vec<String>]) {
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let cells: Vec<_> = cells.collect();
        println!("| {} |", cells.join(" | "));
    };
    line(&mut head.iter().copied());
    line(&mut head.iter().map(|_| "---"));
    for row in rows {
        line(&mut row.iter().map(String::as_str));
    }
}

/// Something that was promised, and what was found.
pub struct Bar {
    pub what: String,
    pub found: String,
    pub bar: String,
    pub holds: bool,
}

impl Bar {
    /// A number that has to be so large.
    pub fn at_least(what: impl Into<String>, found: f64, bar: f64) -> Self {
        Self {
            what: what.into(),
            found: format!("{found:.2}"),
            bar: format!("at least {bar}"),
            holds: found >= bar,
        }
    }

    /// A number of some unit that has to stay below.
    pub fn below(what: impl Into<String>, found: f64, bar: f64, unit: &str) -> Self {
        Self {
            what: what.into(),
            found: format!("{found:.1} {unit}"),
            bar: format!("under {bar} {unit}"),
            holds: found < bar,
        }
    }

    /// Prints them all.
    pub fn print(bars: &[Self]) {
        let rows: Vec<_> = bars
            .iter()
            .map(|bar| {
                let holds = if bar.holds { "yes" } else { "NO" };
                vec![
                    bar.what.clone(),
                    bar.found.clone(),
                    bar.bar.clone(),
                    holds.to_owned(),
                ]
            })
            .collect();
        println!();
        print(&["what", "found", "bar", "holds"], &rows);
    }
}
