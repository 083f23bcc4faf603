//! The compile bomb: the worker's component with a module beside it that nobody instantiates, and that takes the compiler its time.

use std::time::Duration;

use tests_kit::{Api, Package};
use wasm_encoder::{BlockType, CodeSection, Function, FunctionSection, Instruction, Module, TypeSection, ValType};

/// Functions of the module, and what each of them has.
const FUNCTIONS: u32 = 200;
const LOCALS: u32 = 500;
const BLOCKS: u32 = 2_000;
/// The id of a component's section that holds a core module.
const CORE_MODULE_SECTION: u8 = 1;
/// How long until the next one, if the last was refused at once.
const AFTER_REFUSAL: Duration = Duration::from_millis(20);

/// Deploys one after the other in the hostile tenant, each another component, so that none was compiled before.
pub(crate) async fn deploy_for_ever(api: &Api, tenant: &str) {
    let worker = Package::read("tests/guests/worker.toml");
    for number in 0.. {
        let mut bomb = worker.clone().named(&format!("bomb-{number}"));
        bomb.component.extend(section(&module(number)));
        if api.try_deploy(tenant, &bomb).await.status >= 400 {
            tokio::time::sleep(AFTER_REFUSAL).await;
        }
    }
}

fn section(module: &[u8]) -> Vec<u8> {
    let mut section = vec![CORE_MODULE_SECTION];
    let mut len = module.len();
    while len >= 0x80 {
        section.push(u8::try_from(len & 0x7f).expect("seven bits") | 0x80);
        len >>= 7;
    }
    section.push(u8::try_from(len).expect("seven bits"));
    section.extend(module);
    section
}

/// Many values that live through many branches: what allocating registers takes grows faster than what was sent.
fn module(number: u32) -> Vec<u8> {
    let (mut types, mut functions, mut code) = (TypeSection::new(), FunctionSection::new(), CodeSection::new());
    types.ty().function([ValType::I64], [ValType::I64]);
    for function in 0..FUNCTIONS {
        functions.function(0);
        code.function(&body(number * FUNCTIONS + function));
    }
    let mut module = Module::new();
    module.section(&types).section(&functions).section(&code);
    module.finish()
}

fn body(seed: u32) -> Function {
    let mut body = Function::new([(LOCALS, ValType::I64)]);
    for block in 0..BLOCKS {
        let (from, to) = ((seed + block * 7) % LOCALS, (seed + block * 13 + 1) % LOCALS);
        body.instruction(&Instruction::LocalGet(from));
        body.instruction(&Instruction::I64Eqz);
        body.instruction(&Instruction::If(BlockType::Empty));
        body.instruction(&Instruction::LocalGet(to));
        body.instruction(&Instruction::I64Const(i64::from(seed ^ block)));
        body.instruction(&Instruction::I64Add);
        body.instruction(&Instruction::LocalSet(from));
        body.instruction(&Instruction::End);
    }
    body.instruction(&Instruction::LocalGet(seed % LOCALS));
    body.instruction(&Instruction::End);
    body
}
