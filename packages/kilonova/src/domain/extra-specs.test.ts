/** Known extra specs are checked by their kind, an operator's own are free. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { extraSpecProblem } from './extra-specs.ts'

test('what upstream takes is taken', () => {
  for (const [name, value] of [
    ['hw:cpu_policy', 'dedicated'],
    ['hw:mem_page_size', '2MB'],
    ['hw:numa_cpus.0', '0-3,^2'],
    ['hw:numa_mem.1', '512'],
    ['hw_rng:allowed', 'True'],
    ['resources:CUSTOM_GPU', '2'],
    ['resources1:VGPU', '1'],
    ['trait:HW_CPU_X86_AVX', 'required'],
    ['trait_NET:CUSTOM_A', 'forbidden'],
    ['quota:disk_total_iops_sec_max', '100'],
    ['quota:vif_inbound_peak', '100'],
    ['pci_passthrough:alias', 'gpu:1,nic-fast:2'],
    ['aggregate_instance_extra_specs:ssd', 'true'],
    ['capabilities:cpu_info:features', '<in> avx'],
    ['mine', 'anything'],
    ['mine:too', 'anything'],
    ['constructor', 'anything'],
  ] as const)
    assert.equal(extraSpecProblem(name, value), undefined, name)
})

test('what upstream refuses is refused, with the reason', () => {
  for (const [name, value, reason] of [
    ['hw:cpu_policy', 'pinned', /must be one of: dedicated, shared, mixed/],
    ['hw:cpu_policies', 'shared', /does not appear to be a valid extra spec/],
    ['hw:numa_nodes', '0', /less than the minimum of 1/],
    ['hw:numa_nodes', 'two', /is not an integer/],
    ['hw:redirected_usb_ports', '16', /greater than the maximum of 15/],
    ['hw_rng:allowed', 'perhaps', /is not a boolean/],
    ['hw:numa_cpus.0', 'all', /does not match/],
    ['trait:HW_CPU_X86_AVX', 'wished', /must be one of: required, forbidden/],
    ['resources:vgpu', '1', /does not appear to be a valid extra spec/],
  ] as const)
    assert.match(extraSpecProblem(name, value) ?? '', reason)
})
