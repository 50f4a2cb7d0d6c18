/** The generator on a protocol of a few lines: names, kinds, spliced messages, and what it must refuse. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { emitConstants, emitConstantTypes, readConstants } from './emit-constants.ts'
import { emitTables } from './emit-tables.ts'
import { emitTypes } from './emit-types.ts'
import { procedureNames } from './names.ts'
import { parseX } from './parse-x.ts'
import { resolve } from './resolve.ts'

const X = `
const REMOTE_STRING_MAX = 4194304;
const REMOTE_LIST_MAX = 16;
typedef string remote_nonnull_string<REMOTE_STRING_MAX>;
typedef remote_nonnull_string *remote_string;
typedef opaque remote_uuid[VIR_UUID_BUFLEN];
struct remote_nonnull_domain { remote_nonnull_string name; remote_uuid uuid; int id; };
union remote_typed_param_value switch (int type) { case 1: int i; };
struct remote_typed_param { remote_nonnull_string field; remote_typed_param_value value; };
struct remote_domain_get_xml_desc_args { remote_nonnull_domain dom; /* a comment */ unsigned int flags; };
struct remote_domain_get_xml_desc_ret { remote_nonnull_string xml; };
struct remote_connect_list_all_domains_args { int need_results; unsigned int flags; };
struct remote_connect_list_all_domains_ret { remote_nonnull_domain domains<REMOTE_LIST_MAX>; unsigned int ret; };
struct remote_domain_event_reboot_msg { remote_nonnull_domain dom; };
struct remote_domain_event_callback_reboot_msg { int callbackID; remote_domain_event_reboot_msg msg; };
struct remote_node_get_info_ret { char model[32]; unsigned hyper memory; };
struct remote_domain_screenshot_args { remote_nonnull_domain dom; remote_string how; };
enum remote_procedure {
    /** @generate: both */
    REMOTE_PROC_DOMAIN_GET_XML_DESC = 14,
    /** @generate: both */
    REMOTE_PROC_CONNECT_LIST_ALL_DOMAINS = 273,
    /** @generate: none */
    REMOTE_PROC_DOMAIN_EVENT_CALLBACK_REBOOT = 319,
    /** @generate: both */
    REMOTE_PROC_NODE_GET_INFO = 6,
    /**
     * @generate: both
     * @readstream: 1
     */
    REMOTE_PROC_DOMAIN_SCREENSHOT = 211
};`

const names = procedureNames([
  'virDomainGetXMLDesc',
  'virConnectListAllDomains',
  'virNodeGetInfo',
  'virDomainScreenshot',
])
const generate = (x: string) => resolve(parseX([x]), names)

test('tables: one line per struct and procedure', () => {
  const text = emitTables('/** head */', generate(X), [['CALL', 0]])
  for (const line of [
    'Domain name:s uuid:U id:i',
    '14 domainGetXMLDesc|dom:Domain flags:u|xml:s',
    '273 connectListAllDomains|needResults:i flags:u|domains:Domain*16 ret:u',
    '319 domainEventCallbackReboot!||callbackID:i dom:Domain',
    '6 nodeGetInfo||model:c-32 memory:H',
    '211 domainScreenshot<|dom:Domain how:?s|',
    '  CALL: 0,',
  ])
    assert(text.split('\n').includes(line), line)
  assert.doesNotMatch(text, /TypedParam/)
})

test('types: named arguments, positional methods, bare answers', () => {
  const text = emitTypes('/** head */', generate(X))
  for (const line of [
    'export interface Domain { readonly name: string; readonly uuid: string; readonly id: number }',
    '  domainGetXMLDesc: { args: { readonly dom: Domain; readonly flags?: number | undefined }; ret: { readonly xml: string } }',
    '  domainGetXMLDesc(dom: Domain, flags?: number): Promise<string>',
    '  connectListAllDomains(flags?: number): Promise<readonly Domain[]>',
    '  nodeGetInfo(): Promise<{ readonly model: string; readonly memory: bigint }>',
    "  | 'domainScreenshot'",
    '  domainEventCallbackReboot: { readonly callbackID: number; readonly dom: Domain }',
  ])
    assert(text.split('\n').includes(line), line)
  assert.doesNotMatch(text, /domainScreenshot\(/)
})

test('constants: prefixes go, aliases are resolved', () => {
  const constants = readConstants(`
    <enum name='VIR_DOMAIN_RUNNING' value='1' type='virDomainState'/>
    <enum name='VIR_DOMAIN_NOSTATE' value='0' type='virDomainState'/>
    <enum name='VIR_DOMAIN_LAST' value='2' type='virDomainState'/>
    <enum name='VIR_DOMAIN_XML_SECURE' value='1' type='virDomainXMLFlags'/>
    <enum name='VIR_DOMAIN_SAVE_IMAGE_XML_SECURE' value='VIR_DOMAIN_XML_SECURE' type='virDomainSaveImageXMLFlags'/>
    <enum name='VIR_ERR_OK' value='0' type='virErrorNumber'/>
    <enum name='VIR_WAR_NO_NETWORK' value='41' type='virErrorNumber'/>`)
  assert.deepEqual(constants, [
    { name: 'DomainSaveImageXMLFlags', values: [['SECURE', 1]] },
    {
      name: 'DomainState',
      values: [
        ['NOSTATE', 0],
        ['RUNNING', 1],
      ],
    },
    { name: 'DomainXMLFlags', values: [['SECURE', 1]] },
    {
      name: 'ErrorNumber',
      values: [
        ['OK', 0],
        ['WAR_NO_NETWORK', 41],
      ],
    },
  ])
  assert.match(
    emitConstants('', constants),
    /DomainState = parseConstants<types\.DomainState>\(\n {2}'NOSTATE=0 RUNNING=1',/,
  )
  assert.match(emitConstantTypes('', constants), /readonly WAR_NO_NETWORK: 41/)
})

test('what it does not understand stops it', () => {
  assert.throws(() => generate(X.replace('int id;', 'float id;')), /unknown type float/)
  assert.throws(() => generate(X.replace('int id;', 'int id[4];')), /fixed array of int/)
  assert.throws(() => generate(`${X}\nunion remote_other switch (int type) { case 1: int i; };`), /a union other than/)
  assert.throws(
    () => generate(`${X}\nstruct remote_stray_args { int a; };`),
    /belongs to no procedure: remote_stray_args/,
  )
  assert.throws(() => generate(X.replace('REMOTE_LIST_MAX>', 'REMOTE_UNKNOWN>')), /unknown constant REMOTE_UNKNOWN/)
})
