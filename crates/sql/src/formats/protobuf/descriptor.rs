//! Descriptor files, the message that is meant, and which of its fields are columns.

use crate::types::{SqlType, TypeKind};
use millstream_core::{Error, Result};
use prost_reflect::{DescriptorPool, FieldDescriptor, Kind, MessageDescriptor};

/// The message `class` of a descriptor file.
pub(super) fn load(file: &str, class: &str) -> Result<MessageDescriptor> {
    let advice = "make it with: protoc --include_imports --descriptor_set_out=FILE your.proto";
    let bytes = std::fs::read(file).map_err(|e| {
        Error::config(format!("descriptor file '{file}' cannot be read: {e}")).advice(advice)
    })?;
    let pool = DescriptorPool::decode(bytes.as_slice()).map_err(|e| {
        Error::config(format!("'{file}' is no descriptor file: {e}")).advice(advice)
    })?;
    find(&pool, class).ok_or_else(|| {
        let names: Vec<String> = pool.all_messages().map(|m| m.full_name().to_owned()).collect();
        let advice = millstream_core::nearest::hint(class, names.iter().map(String::as_str));
        let shown = || names.iter().take(20).cloned().collect::<Vec<_>>().join(", ");
        Error::config(format!("'{file}' has no message '{class}'"))
            .advice(advice.unwrap_or_else(|| format!("it has {}", shown())))
    })
}

fn find(pool: &DescriptorPool, class: &str) -> Option<MessageDescriptor> {
    if let Some(found) = pool.get_message_by_name(class) {
        return Some(found);
    }
    // A Java class: package, perhaps an outer class, and the message, nested ones behind `$`.
    let parts: Vec<&str> = class.split(['.', '$']).collect();
    let of_class = |message: &MessageDescriptor| {
        let own = message.full_name().strip_prefix(message.package_name()).unwrap_or_default();
        let own: Vec<&str> = own.split('.').filter(|part| !part.is_empty()).collect();
        parts.ends_with(&own)
    };
    let mut found = pool.all_messages().filter(of_class);
    let first = found.next()?;
    // `a.Outer$Inner` also ends with a message `Inner` on the first level: the longer name.
    Some(found.fold(first, |best, other| {
        if other.full_name().len() > best.full_name().len() { other } else { best }
    }))
}

/// What a column is read from and written to.
#[derive(Clone)]
pub(super) struct FieldPlan {
    pub(super) field: FieldDescriptor,
    pub(super) ty: SqlType,
    pub(super) shape: Shape,
}

/// What the parts of a field are.
#[derive(Clone)]
pub(super) enum Shape {
    Scalar(Kind),
    List(Box<Shape>),
    Map(Box<Shape>, Box<Shape>),
    Row(MessageDescriptor, Vec<FieldPlan>),
}

fn misfit(what: &str, ty: &SqlType) -> Error {
    Error::config(format!("the message has {what}, the table has {}", ty.base_text())).advice(
        "declare the column with the type that belongs to it: docs/sql/connectors/formats.md",
    )
}

/// The fields of a message for columns, by name.
pub(super) fn plan<'a>(
    message: &MessageDescriptor,
    columns: impl Iterator<Item = (&'a str, &'a SqlType)>,
) -> Result<Vec<FieldPlan>> {
    let field = |(name, ty): (&str, &SqlType)| {
        let field = message.get_field_by_name(name).ok_or_else(|| {
            let names: Vec<String> = message.fields().map(|f| f.name().to_owned()).collect();
            let advice = millstream_core::nearest::hint(name, names.iter().map(String::as_str))
                .unwrap_or_else(|| format!("its fields are {}", names.join(", ")));
            let what = format!("column '{name}' is no field of '{}'", message.full_name());
            Error::config(what).advice(advice)
        })?;
        let shape = shape(&field, ty).map_err(|e| e.at(format!("column '{name}'")))?;
        Ok(FieldPlan { field, ty: ty.clone(), shape })
    };
    columns.map(field).collect()
}

fn shape(field: &FieldDescriptor, ty: &SqlType) -> Result<Shape> {
    if let (true, Kind::Message(entry)) = (field.is_map(), field.kind()) {
        let TypeKind::Map(key, value) = &ty.kind else { return Err(misfit("a map", ty)) };
        let key = scalar(entry.map_entry_key_field().kind(), key)?;
        let value = one(entry.map_entry_value_field().kind(), value)?;
        return Ok(Shape::Map(Box::new(key), Box::new(value)));
    }
    if field.is_list() {
        let TypeKind::Array(item) = &ty.kind else { return Err(misfit("a repeated field", ty)) };
        return Ok(Shape::List(Box::new(one(field.kind(), item)?)));
    }
    one(field.kind(), ty)
}

fn one(kind: Kind, ty: &SqlType) -> Result<Shape> {
    let Kind::Message(message) = kind else { return scalar(kind, ty) };
    let TypeKind::Row(fields) = &ty.kind else {
        return Err(misfit(&format!("a message {}", message.full_name()), ty));
    };
    let fields = plan(&message, fields.iter().map(|f| (f.name.as_str(), &f.ty)))?;
    Ok(Shape::Row(message, fields))
}

fn scalar(kind: Kind, ty: &SqlType) -> Result<Shape> {
    use TypeKind as K;
    let fits = matches!(
        (&kind, &ty.kind),
        (Kind::Bool, K::Boolean)
            | (Kind::String, K::Char(_) | K::Varchar(_))
            | (Kind::Bytes, K::Binary(_) | K::Varbinary(_))
            | (Kind::Float, K::Float)
            | (Kind::Double, K::Double)
            | (Kind::Int32 | Kind::Sint32 | Kind::Sfixed32, K::Int)
            | (Kind::Uint32 | Kind::Fixed32, K::Int | K::BigInt)
            | (
                Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 | Kind::Uint64 | Kind::Fixed64,
                K::BigInt
            )
            | (
                Kind::Enum(_),
                K::Char(_) | K::Varchar(_) | K::TinyInt | K::SmallInt | K::Int | K::BigInt,
            )
    );
    if fits { Ok(Shape::Scalar(kind)) } else { Err(misfit(&format!("{kind:?}"), ty)) }
}
