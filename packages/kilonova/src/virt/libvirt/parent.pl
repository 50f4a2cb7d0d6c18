#!/usr/bin/perl
# Runs a daemon, and takes leave of its guests: parent.pl PID_FILE PROGRAM [ARGUMENT...]
#
# A guest is nobody's child when libvirt has started it, so the dead ones are process 1's to reap. Until then libvirt waits for
# them with all it has to do, and in a container process 1 may take seconds, or never look. So they come to this process,
# which reaps at once, and ends with the last of them. Its own end would matter to nobody: process 1 is next.
#
# PID_FILE tells the daemon's number and start time (proc(5), field 22). It is there when descriptor 3 is closed.
use strict;
use warnings;
use POSIX ();

# prctl(2), PR_SET_CHILD_SUBREAPER. Perl has no name for it, and each processor its own number.
my %prctl = (x86_64 => 157, aarch64 => 167, ppc64le => 171, s390x => 172, riscv64 => 167);
my $machine = (POSIX::uname())[4];
syscall($prctl{$machine}, 36, 1, 0, 0, 0) if $prctl{$machine};

my ($pid_file, @command) = @ARGV;
defined(my $child = fork) or die "fork: $!\n";
if ($child == 0) {
  open(my $stat, '<', '/proc/self/stat') or die "/proc/self/stat: $!\n";
  my @fields = split ' ', (<$stat> =~ s/.*\) //sr);
  open(my $out, '>', "$pid_file.new") or die "$pid_file.new: $!\n";
  print $out "$$ $fields[19]" and close($out) and rename("$pid_file.new", $pid_file) or die "$pid_file: $!\n";
  POSIX::close(3);
  exec { $command[0] } @command or die "$command[0]: $!\n";
}
POSIX::close(3);
1 while wait() != -1 || $!{EINTR};
