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
    ['quota:disk_total_iops_sec', '100'],
    ['quota:cpu_quota', '-1'],
    ['quota:cpu_shares_level', 'high'],
    ['hw:pmu', 'no'],
    ['hw:usb_model', 'qemu-xhci'],
    ['hw:ephemeral_encryption_format', 'luks'],
    ['capabilities:vcpus', '>= 4'],
    ['resources:VCPU', '2'],
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
    ['hw:cpu_policy', 'pinned', /^Validation failed; 'pinned' is not one of: dedicated, shared, mixed\.$/],
    ['hw:pmem', '4 GB', /is not of the format/],
    ['quota:disk_total_iops_sec_max', '1', /does not appear/],
    ['quota:vif_inbound_average', '-1', /is less than the min value of '0'/],
    ['quota:vif_outbound_burst', 'much', /is not a valid integer value/],
    ['quota:cpu_shares_level', 'most', /is not one of: custom, high, normal, low/],
    ['capabilities:cpus', '1', /does not appear/],
    ['vmware:other', '1', /does not appear/],
    ['trait:HW_NONSENSE', 'required', /does not appear/],
    ['resources:NONSENSE', '1', /does not appear/],
    ['hw:cpu_policies', 'shared', /does not appear to be a valid extra spec/],
    ['hw:numa_nodes', '0', /'0' is less than the min value of '1'/],
    ['hw:numa_nodes', 'two', /is not a valid integer value/],
    ['hw:redirected_usb_ports', '16', /is greater than the max value of '15'/],
    ['hw_rng:allowed', 'perhaps', /is not a valid boolean-like value/],
    ['hw:numa_cpus.0', 'all', /is not of the format/],
    ['trait:HW_CPU_X86_AVX', 'wished', /is not one of: required, forbidden/],
    ['resources:vgpu', '1', /does not appear to be a valid extra spec/],
  ] as const)
    assert.match(extraSpecProblem(name, value) ?? '', reason)
})
