//! A person: who joins the auction house.

use crate::config::NexmarkConfig;
use crate::draw::{Draw, Field};
use crate::ids::FIRST_PERSON;
use std::io::Write as _;

const FIRST_NAMES: [&str; 11] = [
    "Peter", "Paul", "Luke", "John", "Saul", "Vicky", "Kate", "Julie", "Sarah", "Deiter", "Walter",
];
const LAST_NAMES: [&str; 9] =
    ["Shultz", "Abrams", "Spencer", "White", "Bartels", "Walton", "Smith", "Jones", "Noris"];
const CITIES: [&str; 10] = [
    "Phoenix",
    "Los Angeles",
    "San Francisco",
    "Boise",
    "Portland",
    "Bend",
    "Redmond",
    "Seattle",
    "Kent",
    "Cheyenne",
];
const STATES: [&str; 6] = ["AZ", "CA", "ID", "OR", "WA", "WY"];

fn pick<'a>(from: &[&'a str], draw: &mut Draw) -> &'a str {
    from[draw.below(from.len() as u64) as usize]
}

impl NexmarkConfig {
    pub(crate) fn person_id(&self, number: u64) -> i64 {
        self.last_person(number) as i64 + FIRST_PERSON
    }
    pub(crate) fn person_name(&self, number: u64, out: &mut Vec<u8>) {
        out.extend_from_slice(
            pick(&FIRST_NAMES, &mut Draw::new(self.seed, number, Field::FirstName)).as_bytes(),
        );
        out.push(b' ');
        out.extend_from_slice(
            pick(&LAST_NAMES, &mut Draw::new(self.seed, number, Field::LastName)).as_bytes(),
        );
    }
    pub(crate) fn person_email(&self, number: u64, out: &mut Vec<u8>) {
        let mut draw = Draw::new(self.seed, number, Field::Email);
        let length = 3 + draw.below(5) as usize;
        draw.letters(length, out);
        out.push(b'@');
        let length = 3 + draw.below(3) as usize;
        draw.letters(length, out);
        out.extend_from_slice(b".com");
    }
    pub(crate) fn person_credit_card(&self, number: u64, out: &mut Vec<u8>) {
        let mut draw = Draw::new(self.seed, number, Field::CreditCard);
        for group in 0..4 {
            let space = if group == 0 { "" } else { " " };
            let _ = write!(out, "{space}{:04}", draw.below(10_000)); // a Vec takes all
        }
    }
    pub(crate) fn person_city(&self, number: u64, out: &mut Vec<u8>) {
        out.extend_from_slice(
            pick(&CITIES, &mut Draw::new(self.seed, number, Field::City)).as_bytes(),
        );
    }
    pub(crate) fn person_state(&self, number: u64, out: &mut Vec<u8>) {
        out.extend_from_slice(
            pick(&STATES, &mut Draw::new(self.seed, number, Field::State)).as_bytes(),
        );
    }
}
