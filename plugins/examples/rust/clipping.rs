// SPDX-License-Identifier: MIT
//
// A plugin in Rust, built with rustc alone: the longest run of samples at full scale, a sign of clipping.
//
//     rustc --edition 2021 --crate-type cdylib -C opt-level=2 -o clipping.so clipping.rs
//
// The structs are those of sonde/plugin.h, version 1.0; members that this plugin doesn't use keep their place. A panic doesn't
// cross the interface: each call catches it and says BROKEN.
#![allow(non_upper_case_globals)]

use std::ffi::{c_void, CStr};
use std::os::raw::c_char;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::ptr::null;

const OK: i32 = 0;
const FAILED: i32 = 2;
const BROKEN: i32 = 5;

#[repr(C)]
struct Interface {
    struct_size: u32,
    major: u32,
    id: *const c_char,
}

#[repr(C)]
struct Input {
    struct_size: u32,
    kind: u32,     // 0: audio
    channels: u32, // 2: native
    rate: u32,     // 0: the file's own
    window: u32,
    hop: u32,
    form: u32,
    reserved: u32,
}

#[repr(C)]
struct Descriptor {
    struct_size: u32,
    flags: u32, // 1: deterministic
    id: *const c_char,
    name: *const c_char,
    vendor: *const c_char,
    version: *const c_char,
    licence: *const c_char,
    description: *const c_char,
    schema: *const c_char,
    provides: *const Interface,
    provides_count: u32,
    needs_count: u32,
    needs: *const c_void,
    inputs: *const Input,
    inputs_count: u32,
    params_count: u32,
    params: *const c_void,
    arrays: *const c_void,
    arrays_count: u32,
    reserved: u32,
    whole_region_seconds: f64,
    url: *const c_char,
}

#[repr(C)]
struct Block {
    struct_size: u32,
    input: u32,
    start: i64,
    frames: u32,
    channels: u32,
    planes: *const *const f32,
    spectra: *const f32,
    stride: u32,
    bins: u32,
    rate: u32,
    nonfinite: u32,
}

type Function = Option<extern "C" fn()>;

#[repr(C)]
struct Writer {
    struct_size: u32,
    reserved: u32,
    context: *mut c_void,
    begin_object: Function,
    end_object: Function,
    begin_array: Function,
    end_array: Function,
    number: extern "C" fn(*const Writer, *const c_char, f64),
    integer: extern "C" fn(*const Writer, *const c_char, i64),
    boolean: Function,
    string: Function,
    null: Function,
    numbers: Function,
    raw_json: Function,
    array: Function,
    fail: Function,
    status: extern "C" fn(*const Writer) -> i32,
}

#[repr(C)]
struct Plugin {
    struct_size: u32,
    reserved: u32,
    state: *mut Clipping,
    begin: extern "C" fn(*mut Plugin, *const c_void, *const c_void) -> i32,
    process: extern "C" fn(*mut Plugin, *const Block) -> i32,
    finish: extern "C" fn(*mut Plugin, *const c_void, *const Writer) -> i32,
    abandon: extern "C" fn(*mut Plugin),
    destroy: extern "C" fn(*mut Plugin),
    extension: Option<extern "C" fn(*mut Plugin, *const c_char) -> *const c_void>,
}

#[repr(C)]
pub struct Entry {
    struct_size: u32,
    abi_major: u32,
    abi_minor: u32,
    reserved: u32,
    init: extern "C" fn(*const c_void, *const c_char) -> i32,
    deinit: extern "C" fn(),
    plugin_count: extern "C" fn() -> u32,
    plugin_at: extern "C" fn(u32) -> *const Descriptor,
    create: extern "C" fn(*const c_void, *const c_char, *const c_void, u32, *mut *mut Plugin) -> i32,
}

// Constant data with pointers to constants.
unsafe impl Sync for Interface {}
unsafe impl Sync for Input {}
unsafe impl Sync for Descriptor {}
unsafe impl Sync for Entry {}

macro_rules! text {
    ($text:expr) => {
        concat!($text, "\0").as_ptr() as *const c_char
    };
}

// ------------------------------------------------------------------------------------------------------------- the plugin

const FULL_SCALE: f32 = 0.9999;

#[derive(Default)]
struct Clipping {
    runs: Vec<u64>, // under way, one for each channel
    longest: u64,
    clipped: u64,
}

impl Clipping {
    fn listen(&mut self, channel: usize, samples: &[f32]) {
        if channel >= self.runs.len() {
            self.runs.resize(channel + 1, 0);
        }
        for x in samples {
            self.runs[channel] = if x.abs() >= FULL_SCALE { self.runs[channel] + 1 } else { 0 };
            self.longest = self.longest.max(self.runs[channel]);
            self.clipped += u64::from(self.runs[channel] > 0);
        }
    }
}

static provides: [Interface; 1] =
    [Interface { struct_size: std::mem::size_of::<Interface>() as u32, major: 1, id: text!("org.example.clipping") }];
static inputs: [Input; 1] = [Input {
    struct_size: std::mem::size_of::<Input>() as u32,
    kind: 0,
    channels: 2,
    rate: 0,
    window: 0,
    hop: 0,
    form: 0,
    reserved: 0,
}];

static descriptor: Descriptor = Descriptor {
    struct_size: std::mem::size_of::<Descriptor>() as u32,
    flags: 1,
    id: text!("org.example.clipping"),
    name: text!("Clipping"),
    vendor: text!("sonde examples"),
    version: text!("1.0.0"),
    licence: text!("MIT"),
    description: text!("The longest run of samples at full scale, over all channels."),
    schema: text!(
        r#"{"type":"object","required":["longest","clipped"],"properties":{
        "longest":{"type":"integer","minimum":0,"x-unit":"frames","x-summary":{"as":"longest_clip","rule":"max"}},
        "clipped":{"type":"integer","minimum":0,"x-unit":"count"}}}"#
    ),
    provides: provides.as_ptr(),
    provides_count: 1,
    needs_count: 0,
    needs: null(),
    inputs: inputs.as_ptr(),
    inputs_count: 1,
    params_count: 0,
    params: null(),
    arrays: null(),
    arrays_count: 0,
    reserved: 0,
    whole_region_seconds: 0.0,
    url: null(),
};

// ----------------------------------------------------------------------------------------------------------- the interface

// What a call returns, also when it panics.
fn guarded(call: impl FnOnce() -> i32) -> i32 {
    catch_unwind(AssertUnwindSafe(call)).unwrap_or(BROKEN)
}

extern "C" fn begin(me: *mut Plugin, _region: *const c_void, _others: *const c_void) -> i32 {
    guarded(|| {
        unsafe { *(*me).state = Clipping::default() };
        OK
    })
}

extern "C" fn process(me: *mut Plugin, block: *const Block) -> i32 {
    guarded(|| {
        let (state, block) = unsafe { (&mut *(*me).state, &*block) };
        for channel in 0..block.channels as usize {
            let plane = unsafe { std::slice::from_raw_parts(*block.planes.add(channel), block.frames as usize) };
            state.listen(channel, plane);
        }
        OK
    })
}

extern "C" fn finish(me: *mut Plugin, _others: *const c_void, out: *const Writer) -> i32 {
    guarded(|| {
        let (state, writer) = unsafe { (&*(*me).state, &*out) };
        (writer.integer)(out, text!("longest"), state.longest as i64);
        (writer.integer)(out, text!("clipped"), state.clipped as i64);
        (writer.status)(out)
    })
}

extern "C" fn abandon(_me: *mut Plugin) {}

extern "C" fn destroy(me: *mut Plugin) {
    unsafe {
        drop(Box::from_raw((*me).state));
        drop(Box::from_raw(me));
    }
}

extern "C" fn init(_host: *const c_void, _folder: *const c_char) -> i32 {
    OK
}

extern "C" fn deinit() {}

extern "C" fn plugin_count() -> u32 {
    1
}

extern "C" fn plugin_at(index: u32) -> *const Descriptor {
    if index == 0 { &descriptor } else { null() }
}

extern "C" fn create(_: *const c_void, id: *const c_char, _: *const c_void, _: u32, made: *mut *mut Plugin) -> i32 {
    guarded(|| {
        if unsafe { CStr::from_ptr(id) }.to_bytes() != b"org.example.clipping" {
            return FAILED;
        }
        let plugin = Box::new(Plugin {
            struct_size: std::mem::size_of::<Plugin>() as u32,
            reserved: 0,
            state: Box::into_raw(Box::new(Clipping::default())),
            begin,
            process,
            finish,
            abandon,
            destroy,
            extension: None,
        });
        unsafe { *made = Box::into_raw(plugin) };
        OK
    })
}

#[no_mangle]
pub static sonde_entry: Entry = Entry {
    struct_size: std::mem::size_of::<Entry>() as u32,
    abi_major: 1,
    abi_minor: 0,
    reserved: 0,
    init,
    deinit,
    plugin_count,
    plugin_at,
    create,
};
