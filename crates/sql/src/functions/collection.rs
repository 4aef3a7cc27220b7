//! Arrays, maps, rows: constructors, access, and functions over elements.
//!
//! Indices start at 1. An index that is out of range and a key that is missing give NULL.
//! Elements are equal as by IS NOT DISTINCT FROM: two NULLs are.

use std::collections::HashSet;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;
use arrow_array::{Array, ArrayRef, ListArray, StructArray, UInt32Array};
use arrow_buffer::{NullBuffer, OffsetBuffer};
use arrow_select::interleave::interleave;
use arrow_select::take::take;
use millstream_core::{Error, Result};

use super::{CallArgs, Definition, FunctionRef, Returns, call_expr};
use crate::coercion::{common_type, implicitly_casts};
use crate::expr::{Expr, arrow_bug};
use crate::order::compare_values;
use crate::types::{SqlType, TypeKind, element_field, row_fields};
use crate::value::{Value, new_map, wrong_array};

const INT: Returns = Returns::Type(SqlType::int);

pub(super) const TABLE: &[Definition] = &[
    Definition::bound(&["ARRAY"], &["any, any.."], array, new_array),
    Definition::bound(&["MAP"], &["any, any, any.."], map, run_map),
    Definition::bound(&["ROW"], &["any.."], row, new_row),
    Definition::bound(&["ITEM"], &["array, int", "map, any"], item, run_item),
    Definition::new(&["CARDINALITY"], &["array", "map", "multiset"], INT, cardinality),
    Definition::new(&["ELEMENT"], &["array", "multiset"], Returns::Derived(element_of), element)
        .failing(),
    with_needle(&["ARRAY_CONTAINS"], |args| {
        args.map_booleans(|row| {
            Ok(list(args, 0, row)?.zip(needle(args, row)?).map(|(l, n)| l.contains(&n)))
        })
    }),
    with_needle(&["ARRAY_POSITION"], |args| {
        args.map_numbers::<Int32Type>(|row| {
            let needle = args.value(1, row)?;
            Ok(match list(args, 0, row)? {
                Some(items) if !needle.is_null() => {
                    Some(items.iter().position(|i| *i == needle).map_or(0, |at| at as i32 + 1))
                }
                _ => None,
            })
        })
    }),
    with_needle(&["ARRAY_REMOVE"], |args| {
        lists(args, |row| {
            let needle = args.value(1, row)?;
            Ok(list(args, 0, row)?
                .map(|items| items.into_iter().filter(|i| *i != needle).collect()))
        })
    }),
    with_needle(&["ARRAY_APPEND"], |args| {
        lists(args, |row| {
            let Some(mut items) = list(args, 0, row)? else { return Ok(None) };
            items.push(args.value(1, row)?);
            Ok(Some(items))
        })
    }),
    with_needle(&["ARRAY_PREPEND"], |args| {
        lists(args, |row| {
            let Some(items) = list(args, 0, row)? else { return Ok(None) };
            Ok(Some(std::iter::once(args.value(1, row)?).chain(items).collect()))
        })
    }),
    Definition::new(&["ARRAY_DISTINCT"], &["array"], Returns::Derived(first), |args| {
        lists(args, |row| Ok(list(args, 0, row)?.map(distinct)))
    }),
    Definition::new(&["ARRAY_REVERSE"], &["array"], Returns::Derived(first), |args| {
        lists(args, |row| Ok(list(args, 0, row)?.map(|l| l.into_iter().rev().collect())))
    }),
    Definition::bound(&["ARRAY_UNION"], &["array, array"], same_arrays, |args| {
        lists(args, |row| {
            Ok(two_lists(args, row)?.map(|(a, b)| distinct(a.into_iter().chain(b).collect())))
        })
    }),
    Definition::bound(&["ARRAY_EXCEPT"], &["array, array"], same_arrays, |args| {
        lists(args, |row| Ok(two_lists(args, row)?.map(|(a, b)| chosen(a, b, false))))
    }),
    Definition::bound(&["ARRAY_INTERSECT"], &["array, array"], same_arrays, |args| {
        lists(args, |row| Ok(two_lists(args, row)?.map(|(a, b)| chosen(a, b, true))))
    }),
    Definition::bound(&["ARRAY_CONCAT"], &["array, array.."], same_arrays, |args| {
        lists(args, |row| {
            let mut all = Vec::new();
            for i in 0..args.len() {
                match list(args, i, row)? {
                    Some(items) => all.extend(items),
                    None => return Ok(None),
                }
            }
            Ok(Some(all))
        })
    }),
    Definition::new(&["ARRAY_MAX"], &["array"], Returns::Derived(nullable_element), |args| {
        extreme(args, std::cmp::Ordering::Greater)
    }),
    Definition::new(&["ARRAY_MIN"], &["array"], Returns::Derived(nullable_element), |args| {
        extreme(args, std::cmp::Ordering::Less)
    }),
    Definition::new(
        &["ARRAY_JOIN"],
        &["array, text, [text]"],
        Returns::Type(SqlType::string),
        join,
    ),
    Definition::new(
        &["ARRAY_SLICE"],
        &["array, int, [int]"],
        Returns::Derived(first_of_all),
        |args| {
            let starts = args.ints(1)?;
            let ends = if args.len() > 2 { Some(args.ints(2)?) } else { None };
            lists(args, |row| {
                let end = ends.map_or(Some(-1), |e| e.get(row));
                Ok(match (list(args, 0, row)?, starts.get(row), end) {
                    (Some(items), Some(start), Some(end)) => Some(slice(items, start, end)),
                    _ => None,
                })
            })
        },
    ),
    Definition::new(
        &["ARRAY_SORT"],
        &["array, [bool], [bool]"],
        Returns::Derived(first_of_all),
        sort,
    ),
    Definition::new(&["MAP_KEYS"], &["map"], Returns::Derived(keys_type), |args| entries(args, 0)),
    Definition::new(&["MAP_VALUES"], &["map"], Returns::Derived(values_type), |args| {
        entries(args, 1)
    }),
    Definition::new(&["MAP_ENTRIES"], &["map"], Returns::Derived(entries_type), map_entries),
    Definition::new(
        &["MAP_FROM_ARRAYS"],
        &["array, array"],
        Returns::Derived(from_arrays_type),
        map_from_arrays,
    )
    .failing(),
    Definition::bound(&["MAP_FROM_ENTRIES"], &["array"], map_from_entries, run_from_entries),
    Definition::bound(&["MAP_UNION"], &["map, map.."], same_arrays, map_union),
];

const fn with_needle(names: &'static [&'static str], kernel: super::Kernel) -> Definition {
    Definition::bound(names, &["array, any"], needle_type, kernel)
}

// ---- types ----------------------------------------------------------------------------

fn element_type(ty: &SqlType) -> Result<SqlType> {
    match &ty.kind {
        TypeKind::Array(element) | TypeKind::Multiset(element) => Ok((**element).clone()),
        _ => Err(Error::bug(format!("the elements of {ty}"))),
    }
}

fn entry_types(ty: &SqlType) -> Result<(SqlType, SqlType)> {
    match &ty.kind {
        TypeKind::Map(key, value) => Ok(((**key).clone(), (**value).clone())),
        _ => Err(Error::bug(format!("the entries of {ty}"))),
    }
}

fn any_null(args: &[Expr]) -> bool {
    args.iter().any(|a| a.ty.nullable)
}

fn first(args: &[Expr]) -> Result<SqlType> {
    Ok(args[0].ty.clone())
}

fn first_of_all(args: &[Expr]) -> Result<SqlType> {
    Ok(args[0].ty.clone().with_nullable(any_null(args)))
}

fn element_of(args: &[Expr]) -> Result<SqlType> {
    let element = element_type(&args[0].ty)?;
    let nullable = element.nullable || args[0].ty.nullable;
    Ok(element.with_nullable(nullable))
}

fn nullable_element(args: &[Expr]) -> Result<SqlType> {
    Ok(element_type(&args[0].ty)?.null_allowed())
}

fn keys_type(args: &[Expr]) -> Result<SqlType> {
    Ok(SqlType::array(entry_types(&args[0].ty)?.0).with_nullable(args[0].ty.nullable))
}

fn values_type(args: &[Expr]) -> Result<SqlType> {
    Ok(SqlType::array(entry_types(&args[0].ty)?.1).with_nullable(args[0].ty.nullable))
}

fn entries_type(args: &[Expr]) -> Result<SqlType> {
    let (key, value) = entry_types(&args[0].ty)?;
    let row = SqlType::row([("key", key), ("value", value)]);
    Ok(SqlType::array(row).with_nullable(args[0].ty.nullable))
}

fn from_arrays_type(args: &[Expr]) -> Result<SqlType> {
    let (key, value) = (element_type(&args[0].ty)?, element_type(&args[1].ty)?);
    Ok(SqlType::map(key, value).with_nullable(any_null(args)))
}

fn no_common(what: &str, args: &[Expr]) -> Error {
    let types: Vec<String> = args.iter().map(|a| a.ty.base_text()).collect();
    Error::config(format!("{what} of values without a common type: {}", types.join(", ")))
        .advice("cast the values to one type")
}

fn array(function: FunctionRef, args: Vec<Expr>) -> Result<Expr> {
    let element = common_type(args.iter().map(|a| &a.ty))
        .ok_or_else(|| no_common("ARRAY", &args))?
        .computed();
    let args = args.into_iter().map(|a| a.cast_unchecked(element.clone(), false)).collect();
    Ok(call_expr(function, args, SqlType::array(element).not_null()))
}

fn map(function: FunctionRef, args: Vec<Expr>) -> Result<Expr> {
    if args.len() % 2 == 1 {
        return Err(Error::config("MAP needs a value for every key"));
    }
    let common = |offset: usize| {
        let side: Vec<Expr> = args.iter().skip(offset).step_by(2).cloned().collect();
        common_type(side.iter().map(|a| &a.ty)).ok_or_else(|| no_common("MAP", &side))
    };
    let (key, value) = (common(0)?.computed(), common(1)?.computed());
    let args = args
        .into_iter()
        .enumerate()
        .map(|(i, arg)| {
            arg.cast_unchecked(if i % 2 == 0 { key.clone() } else { value.clone() }, false)
        })
        .collect();
    Ok(call_expr(function, args, SqlType::map(key, value).not_null()))
}

fn row(function: FunctionRef, args: Vec<Expr>) -> Result<Expr> {
    let fields =
        args.iter().enumerate().map(|(i, arg)| (format!("EXPR${i}"), arg.ty.clone().computed()));
    let ty = SqlType::row(fields).not_null();
    Ok(call_expr(function, args, ty))
}

fn item(function: FunctionRef, args: Vec<Expr>) -> Result<Expr> {
    if let TypeKind::Map(key, value) = &args[0].ty.kind {
        let wanted = common_type([&**key, &args[1].ty])
            .filter(|_| implicitly_casts(&args[1].ty, key))
            .ok_or_else(|| {
                Error::config(format!(
                    "a key of type {} in {}",
                    args[1].ty.base_text(),
                    args[0].ty.base_text()
                ))
            })?;
        let ty = (**value).clone().null_allowed();
        // Text of another length is still a key; numbers become those of the map.
        let wanted = if wanted.is_text() { wanted } else { (**key).clone() };
        let args = vec![args[0].clone(), args[1].clone().cast_unchecked(wanted, false)];
        return Ok(call_expr(function, args, ty));
    }
    if let Some(Value::Int(index @ ..=0)) = args[1].as_literal() {
        return Err(Error::config(format!(
            "Array element access needs an index starting at 1 but was {index}."
        )));
    }
    let ty = element_type(&args[0].ty)?.null_allowed();
    Ok(call_expr(function, args, ty))
}

/// An array and a value of its element type, which is widened if it must be.
fn needle_type(function: FunctionRef, args: Vec<Expr>) -> Result<Expr> {
    let element = element_type(&args[0].ty)?;
    let wide =
        common_type([&element, &args[1].ty]).ok_or_else(|| no_common(function.name(), &args))?;
    let adds = matches!(function.name(), "ARRAY_APPEND" | "ARRAY_PREPEND");
    let wide = wide.with_nullable(element.nullable || (adds && args[1].ty.nullable));
    let array = SqlType::array(wide.clone()).with_nullable(args[0].ty.nullable);
    let ty = match function.name() {
        "ARRAY_CONTAINS" => SqlType::boolean().with_nullable(args[0].ty.nullable),
        "ARRAY_POSITION" => SqlType::int().with_nullable(any_null(&args)),
        "ARRAY_REMOVE" => args[0].ty.clone(),
        // Flink's type, though a NULL that is added makes no array NULL.
        _ => array.clone().with_nullable(any_null(&args)),
    };
    // What is returned must have the declared type, so only searches widen the array.
    let array = if function.name() == "ARRAY_REMOVE" { args[0].ty.clone() } else { array };
    let wide = element_type(&array)?;
    let args = vec![
        args[0].clone().cast_unchecked(array, false),
        args[1].clone().cast_unchecked(wide, false),
    ];
    Ok(call_expr(function, args, ty))
}

/// Arrays (or maps) of one type, which is also that of the result.
fn same_arrays(function: FunctionRef, args: Vec<Expr>) -> Result<Expr> {
    let ty =
        common_type(args.iter().map(|a| &a.ty)).ok_or_else(|| no_common(function.name(), &args))?;
    let args = args.into_iter().map(|a| a.cast_unchecked(ty.clone(), false)).collect();
    Ok(call_expr(function, args, ty))
}

fn map_from_entries(function: FunctionRef, args: Vec<Expr>) -> Result<Expr> {
    let element = element_type(&args[0].ty)?;
    match &element.kind {
        TypeKind::Row(fields) if fields.len() == 2 => {
            let nullable = args[0].ty.nullable || element.nullable;
            let ty = SqlType::map(fields[0].ty.clone(), fields[1].ty.clone());
            Ok(call_expr(function, args, ty.with_nullable(nullable)))
        }
        _ => Err(Error::config(format!("MAP_FROM_ENTRIES of {}", args[0].ty.base_text()))
            .advice("give it an array of rows with a key and a value")),
    }
}

// ---- constructors ---------------------------------------------------------------------

/// The arguments as the elements of one list per row, without a copy by value.
fn new_array(args: &CallArgs<'_>) -> Result<ArrayRef> {
    let element = element_type(args.result)?;
    let columns = (0..args.len()).map(|i| args.array(i)).collect::<Result<Vec<_>>>()?;
    let values = woven(&columns, args.rows)?;
    let offsets = OffsetBuffer::from_lengths(std::iter::repeat_n(args.len(), args.rows));
    Ok(Arc::new(ListArray::new(element_field(&element), offsets, values, None)))
}

/// The entries of several columns, row by row.
fn woven(columns: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
    let arrays: Vec<&dyn Array> = columns.iter().map(|c| c.as_ref()).collect();
    let places: Vec<(usize, usize)> =
        (0..rows).flat_map(|row| (0..arrays.len()).map(move |i| (i, row))).collect();
    interleave(&arrays, &places).map_err(arrow_bug)
}

fn run_map(args: &CallArgs<'_>) -> Result<ArrayRef> {
    // Of equal keys the last value counts, as in Java's maps.
    args.map_values(|row| {
        let mut entries = Vec::with_capacity(args.len() / 2);
        for i in (0..args.len()).step_by(2) {
            put(&mut entries, args.value(i, row)?, args.value(i + 1, row)?);
        }
        Ok(Value::Map(entries))
    })
}

fn put(entries: &mut Vec<(Value, Value)>, key: Value, value: Value) {
    match entries.iter_mut().find(|(k, _)| *k == key) {
        Some((_, old)) => *old = value,
        None => entries.push((key, value)),
    }
}

fn new_row(args: &CallArgs<'_>) -> Result<ArrayRef> {
    let TypeKind::Row(fields) = &args.result.kind else {
        return Err(Error::bug("ROW without fields"));
    };
    if fields.is_empty() {
        return Ok(Arc::new(StructArray::new_empty_fields(args.rows, None)));
    }
    let columns = (0..args.len()).map(|i| args.array(i)).collect::<Result<Vec<_>>>()?;
    Ok(Arc::new(StructArray::new(row_fields(fields), columns, None)))
}

// ---- access ---------------------------------------------------------------------------

fn run_item(args: &CallArgs<'_>) -> Result<ArrayRef> {
    if let TypeKind::Map(..) = args.ty(0).kind {
        return map_item(args);
    }
    let (array, scalar) = args.raw(0)?;
    let lists = array.as_list_opt::<i32>().ok_or_else(|| wrong_array(array, args.ty(0)))?;
    let indices = args.ints(1)?;
    let places: UInt32Array = (0..args.rows)
        .map(|row| {
            let at = if scalar { 0 } else { row };
            let index = usize::try_from(indices.get(row)?).ok()?.checked_sub(1)?;
            let valid = lists.is_valid(at) && index < lists.value_length(at) as usize;
            valid.then(|| lists.value_offsets()[at] as u32 + index as u32)
        })
        .collect();
    take(lists.values(), &places, None).map_err(arrow_bug)
}

fn map_item(args: &CallArgs<'_>) -> Result<ArrayRef> {
    let (array, scalar) = args.raw(0)?;
    let maps = array.as_map_opt().ok_or_else(|| wrong_array(array, args.ty(0)))?;
    let (key_type, _) = entry_types(args.ty(0))?;
    let text_keys = maps.keys().as_string_opt::<i32>();
    let texts = if text_keys.is_some() { Some(args.text(1)?) } else { None };
    let mut places = UInt32Array::builder(args.rows);
    for row in 0..args.rows {
        let at = if scalar { 0 } else { row };
        if maps.is_null(at) {
            places.append_null();
            continue;
        }
        let span = maps.value_offsets()[at] as usize..maps.value_offsets()[at + 1] as usize;
        let found = match (text_keys, texts) {
            // The usual map has text keys: they are compared where they lie.
            (Some(keys), Some(texts)) => match texts.get(row) {
                Some(key) => span.into_iter().find(|i| keys.is_valid(*i) && keys.value(*i) == key),
                None => span.into_iter().find(|i| keys.is_null(*i)),
            },
            _ => {
                let key = args.value(1, row)?;
                let mut found = None;
                for i in span {
                    if crate::value::value_at(maps.keys(), &key_type, i)? == key {
                        found = Some(i);
                        break;
                    }
                }
                found
            }
        };
        places.append_option(found.map(|i| i as u32));
    }
    take(maps.values(), &places.finish(), None).map_err(arrow_bug)
}

fn cardinality(args: &CallArgs<'_>) -> Result<ArrayRef> {
    let array = args.array(0)?;
    let offsets = match (array.as_list_opt::<i32>(), array.as_map_opt()) {
        (Some(list), _) => list.value_offsets(),
        (_, Some(map)) => map.value_offsets(),
        _ => return Err(wrong_array(&array, args.ty(0))),
    };
    args.map_numbers::<Int32Type>(|row| {
        Ok(array.is_valid(row).then(|| offsets[row + 1] - offsets[row]))
    })
}

fn element(args: &CallArgs<'_>) -> Result<ArrayRef> {
    args.map_values(|row| match args.value(0, row)? {
        Value::Array(mut items) if items.len() < 2 => Ok(items.pop().unwrap_or(Value::Null)),
        Value::Array(_) => Err(Error::data("Array has more than one element.")),
        Value::Map(mut items) if items.len() < 2 => {
            Ok(items.pop().map_or(Value::Null, |(item, _)| item))
        }
        Value::Map(_) => Err(Error::data("Multiset has more than one element.")),
        _ => Ok(Value::Null),
    })
}

fn entries(args: &CallArgs<'_>, side: usize) -> Result<ArrayRef> {
    let array = args.array(0)?;
    let maps = array.as_map_opt().ok_or_else(|| wrong_array(&array, args.ty(0)))?;
    let values = maps.entries().column(side).clone();
    let field = element_field(&element_type(args.result)?);
    Ok(Arc::new(ListArray::new(field, maps.offsets().clone(), values, maps.nulls().cloned())))
}

fn map_entries(args: &CallArgs<'_>) -> Result<ArrayRef> {
    let array = args.array(0)?;
    let maps = array.as_map_opt().ok_or_else(|| wrong_array(&array, args.ty(0)))?;
    let element = element_type(args.result)?;
    let TypeKind::Row(fields) = &element.kind else { return Err(Error::bug("entries of no map")) };
    let columns = maps.entries().columns().to_vec();
    let rows = StructArray::new(row_fields(fields), columns, None);
    let (offsets, nulls) = (maps.offsets().clone(), maps.nulls().cloned());
    Ok(Arc::new(ListArray::new(element_field(&element), offsets, Arc::new(rows), nulls)))
}

fn map_from_arrays(args: &CallArgs<'_>) -> Result<ArrayRef> {
    let (a, b) = (args.array(0)?, args.array(1)?);
    let keys = a.as_list_opt::<i32>().ok_or_else(|| wrong_array(&a, args.ty(0)))?;
    let values = b.as_list_opt::<i32>().ok_or_else(|| wrong_array(&b, args.ty(1)))?;
    let (key, value) = entry_types(args.result)?;
    let nulls = NullBuffer::union(keys.nulls(), values.nulls());
    let (mut key_places, mut value_places, mut lengths) = (Vec::new(), Vec::new(), Vec::new());
    for row in 0..args.rows {
        if nulls.as_ref().is_some_and(|n| n.is_null(row)) {
            lengths.push(0);
            continue;
        }
        let (n, m) = (keys.value_length(row), values.value_length(row));
        if n != m {
            return Err(Error::data(format!(
                "Invalid function MAP_FROM_ARRAYS call:\nThe length of the keys array {n} is not \
                 equal to the length of the values array {m}"
            )));
        }
        lengths.push(n as usize);
        let start = (keys.value_offsets()[row], values.value_offsets()[row]);
        key_places.extend((start.0..start.0 + n).map(|i| i as u32));
        value_places.extend((start.1..start.1 + n).map(|i| i as u32));
    }
    let gather = |array: &ArrayRef, places: Vec<u32>| {
        take(array, &UInt32Array::from(places), None).map_err(arrow_bug)
    };
    Ok(Arc::new(new_map(
        &key,
        &value,
        OffsetBuffer::from_lengths(lengths),
        gather(keys.values(), key_places)?,
        gather(values.values(), value_places)?,
        nulls,
    )))
}

fn run_from_entries(args: &CallArgs<'_>) -> Result<ArrayRef> {
    args.map_values(|row| {
        let Some(items) = list(args, 0, row)? else { return Ok(Value::Null) };
        let mut entries = Vec::with_capacity(items.len());
        for item in items {
            match item {
                Value::Row(fields) => {
                    let mut fields = fields.into_iter();
                    if let (Some(key), Some(value)) = (fields.next(), fields.next()) {
                        put(&mut entries, key, value);
                    }
                }
                // One NULL entry makes the whole map NULL.
                _ => return Ok(Value::Null),
            }
        }
        Ok(Value::Map(entries))
    })
}

fn map_union(args: &CallArgs<'_>) -> Result<ArrayRef> {
    args.map_values(|row| {
        let mut all = Vec::new();
        for i in 0..args.len() {
            match args.value(i, row)? {
                Value::Map(entries) => {
                    for (key, value) in entries {
                        put(&mut all, key, value);
                    }
                }
                _ => return Ok(Value::Null),
            }
        }
        Ok(Value::Map(all))
    })
}

// ---- functions over elements ----------------------------------------------------------

fn list(args: &CallArgs<'_>, i: usize, row: usize) -> Result<Option<Vec<Value>>> {
    Ok(match args.value(i, row)? {
        Value::Array(items) => Some(items),
        _ => None,
    })
}

fn two_lists(args: &CallArgs<'_>, row: usize) -> Result<Option<(Vec<Value>, Vec<Value>)>> {
    Ok(list(args, 0, row)?.zip(list(args, 1, row)?))
}

fn needle(args: &CallArgs<'_>, row: usize) -> Result<Option<Value>> {
    args.value(1, row).map(Some)
}

fn lists(
    args: &CallArgs<'_>,
    mut make: impl FnMut(usize) -> Result<Option<Vec<Value>>>,
) -> Result<ArrayRef> {
    args.map_values(|row| Ok(make(row)?.map_or(Value::Null, Value::Array)))
}

fn distinct(items: Vec<Value>) -> Vec<Value> {
    let mut seen = HashSet::new();
    items.into_iter().filter(|item| seen.insert(item.clone())).collect()
}

/// Elements of the first list, each once, that are (or are not) in the second.
fn chosen(items: Vec<Value>, others: Vec<Value>, wanted: bool) -> Vec<Value> {
    let others: HashSet<Value> = others.into_iter().collect();
    distinct(items).into_iter().filter(|item| others.contains(item) == wanted).collect()
}

fn extreme(args: &CallArgs<'_>, better: std::cmp::Ordering) -> Result<ArrayRef> {
    args.map_values(|row| {
        let items = list(args, 0, row)?.unwrap_or_default();
        let best = items
            .into_iter()
            .filter(|i| !i.is_null())
            .reduce(|best, item| if compare_values(&item, &best) == better { item } else { best });
        Ok(best.unwrap_or(Value::Null))
    })
}

fn join(args: &CallArgs<'_>) -> Result<ArrayRef> {
    let (separators, replacements) = (args.text(1)?, args.optional_text(2)?);
    let element = element_type(args.ty(0))?;
    args.map_text(|row, out| {
        let (Some(items), Some(separator)) = (list(args, 0, row)?, separators.get(row)) else {
            return Ok(false);
        };
        let replacement = match replacements {
            None => None,
            Some(texts) => match texts.get(row) {
                Some(text) => Some(text),
                None => return Ok(false),
            },
        };
        let mut first = true;
        for item in &items {
            if item.is_null() && replacement.is_none() {
                continue;
            }
            if !first {
                out.push_str(separator);
            }
            first = false;
            match replacement {
                Some(text) if item.is_null() => out.push_str(text),
                _ => crate::text::write_value(out, item, &element, &args.context.zone),
            }
        }
        Ok(true)
    })
}

/// Elements from `start` to `end`, both included; negative ones count from the end.
fn slice(items: Vec<Value>, start: i32, end: i32) -> Vec<Value> {
    let length = items.len() as i64;
    let place = |index: i32| match index {
        0 => 1,
        i if i < 0 => length + 1 + i64::from(i),
        i => i64::from(i),
    };
    let (start, end) = (place(start).max(1), place(end).min(length));
    if items.is_empty() || start > end {
        return vec![];
    }
    items.into_iter().skip(start as usize - 1).take((end - start + 1) as usize).collect()
}

fn sort(args: &CallArgs<'_>) -> Result<ArrayRef> {
    let flag = |i: usize| if i < args.len() { args.booleans(i).map(Some) } else { Ok(None) };
    let (ascending, nulls_first) = (flag(1)?, flag(2)?);
    lists(args, |row| {
        let Some(mut items) = list(args, 0, row)? else { return Ok(None) };
        let Some(ascending) = ascending.map_or(Some(true), |f| f.get(row)) else {
            return Ok(None);
        };
        // NULLs come first when ascending and last when descending, unless it is said.
        let Some(nulls_first) = nulls_first.map_or(Some(ascending), |f| f.get(row)) else {
            return Ok(None);
        };
        items.sort_by(|a, b| match (a.is_null(), b.is_null()) {
            (true, true) => std::cmp::Ordering::Equal,
            (true, false) if nulls_first => std::cmp::Ordering::Less,
            (false, true) if !nulls_first => std::cmp::Ordering::Less,
            (true, false) | (false, true) => std::cmp::Ordering::Greater,
            _ if ascending => compare_values(a, b),
            _ => compare_values(b, a),
        });
        Ok(Some(items))
    })
}
