// Package operations measures what operations cost in gVisor's own packages, by the names that the
// benchmarks of the crates have.
package operations

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"
	"gvisor.dev/gvisor/pkg/context"
	"gvisor.dev/gvisor/pkg/cpuid"
	"gvisor.dev/gvisor/pkg/hostarch"
	"gvisor.dev/gvisor/pkg/sentry/arch"
	"gvisor.dev/gvisor/pkg/sentry/kernel/futex"
	"gvisor.dev/gvisor/pkg/sentry/limits"
	"gvisor.dev/gvisor/pkg/sentry/memmap"
	"gvisor.dev/gvisor/pkg/sentry/mm"
	"gvisor.dev/gvisor/pkg/sentry/pgalloc"
	"gvisor.dev/gvisor/pkg/sentry/platform"
	"gvisor.dev/gvisor/pkg/usermem"
)

// space is an address space in which nothing has to be done, as the crates' benchmarks have one.
type space struct{ platform.NoAddressSpaceIO }

func (space) MapFile(hostarch.Addr, memmap.File, memmap.FileRange, hostarch.AccessType, bool) error {
	return nil
}
func (space) Unmap(hostarch.Addr, uint64) {}
func (space) Release()                    {}
func (space) PreFork()                    {}
func (space) PostFork()                   {}

type host struct {
	platform.NoCPUPreemptionDetection
	platform.UseHostGlobalMemoryBarrier
}

func (host) SupportsAddressSpaceIO() bool                { return false }
func (host) CooperativelySchedulesAddressSpace() bool    { return false }
func (host) OwnsPageTables() bool                        { return false }
func (host) MapUnit() uint64                             { return 0 }
func (host) MinUserAddress() hostarch.Addr               { return 0x10000 }
func (host) MaxUserAddress() hostarch.Addr               { return 0x7ffffffff000 }
func (host) NewContext(context.Context) platform.Context { return nil }
func (host) PreemptAllCPUs() error                       { return nil }
func (host) SeccompInfo() platform.SeccompInfo           { return nil }
func (host) NewAddressSpace(any) (platform.AddressSpace, <-chan struct{}, error) {
	return space{}, nil, nil
}

// task is the context that the packages look for memory and limits in.
type task struct{ context.Context }

func (t task) Value(key any) any {
	switch key {
	case pgalloc.CtxMemoryFile:
		return memory
	case limits.CtxLimits:
		return limitSet
	}
	return t.Context.Value(key)
}

var (
	memory   *pgalloc.MemoryFile
	limitSet = limits.NewLimitSet()
	ctx      context.Context
)

const (
	page = hostarch.PageSize
	at   = hostarch.Addr(0x100000000)
)

func TestMain(m *testing.M) {
	cpuid.Initialize()
	fd, err := unix.MemfdCreate("memory", 0)
	check(err)
	memory, err = pgalloc.NewMemoryFile(os.NewFile(uintptr(fd), "memory"), pgalloc.MemoryFileOpts{DisableIMAWorkAround: true})
	check(err)
	ctx = task{context.Background()}
	os.Exit(m.Run())
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func manager() *mm.MemoryManager {
	m := mm.NewMemoryManager(host{}, memory, false)
	_, err := m.SetMmapLayout(arch.New(arch.AMD64), limitSet)
	check(err)
	check(m.Activate(ctx))
	return m
}

func drop(m *mm.MemoryManager) {
	m.Deactivate()
	m.DecUsers(ctx)
}

func mapped(m *mm.MemoryManager, addr hostarch.Addr, pages uint64) hostarch.Addr {
	addr, err := m.MMap(ctx, memmap.MMapOpts{
		Length:   pages * page,
		Addr:     addr,
		Fixed:    addr != 0,
		Unmap:    addr != 0,
		Private:  true,
		Perms:    hostarch.ReadWrite,
		MaxPerms: hostarch.AnyAccess,
	})
	check(err)
	return addr
}

func unmap(m *mm.MemoryManager, addr hostarch.Addr) {
	check(m.MUnmap(ctx, addr, page))
}

// many makes n mappings of a page with gaps between them.
func many(n uint64) *mm.MemoryManager {
	m := manager()
	for i := uint64(0); i < n; i++ {
		mapped(m, at+hostarch.Addr(2*i*page), 1)
	}
	return m
}

// touched is many with a page in each.
func touched(n uint64) *mm.MemoryManager {
	m := many(n)
	for i := uint64(0); i < n; i++ {
		check(m.HandleUserFault(ctx, at+hostarch.Addr(2*i*page), hostarch.Write, 0))
	}
	return m
}

func fork(m *mm.MemoryManager) *mm.MemoryManager {
	child, err := m.Fork(ctx)
	check(err)
	return child
}

// each runs f b.N times.
func each(b *testing.B, f func()) {
	b.ResetTimer()
	for i := 0; i < b.N; i++ {
		f()
	}
}

// eachWith runs f b.N times, and before and after it what is not measured.
func eachWith[T any](b *testing.B, before func() T, f, after func(T)) {
	b.ResetTimer()
	for i := 0; i < b.N; i++ {
		b.StopTimer()
		x := before()
		b.StartTimer()
		f(x)
		b.StopTimer()
		after(x)
		b.StartTimer()
	}
}

func BenchmarkMappings(b *testing.B) {
	once := func(m *mm.MemoryManager) func() {
		return func() { unmap(m, mapped(m, 0, 1)) }
	}
	b.Run("mm/mmap_munmap", func(b *testing.B) { each(b, once(manager())) })
	b.Run("mm/mmap_munmap_among/100000", func(b *testing.B) { each(b, once(many(100_000))) })
	b.Run("mm/fixed_replace_among/100000", func(b *testing.B) {
		m := many(100_000)
		each(b, func() { mapped(m, at+100_000*page, 1) })
	})
	b.Run("mm/mprotect_split_merge_among/1", func(b *testing.B) {
		m := manager()
		mapped(m, at, 4)
		each(b, func() {
			check(m.MProtect(at+page, page, hostarch.Read, false))
			check(m.MProtect(at+page, page, hostarch.ReadWrite, false))
		})
	})
	b.Run("mm/mremap_grow_shrink_among/1", func(b *testing.B) {
		m := manager()
		mapped(m, at, 1)
		to := func(from, to uint64) {
			_, err := m.MRemap(ctx, at, from*page, to*page, mm.MRemapOpts{})
			check(err)
		}
		each(b, func() { to(1, 2); to(2, 1) })
	})
	b.Run("mm/brk_grow_shrink_among/1", func(b *testing.B) {
		m := manager()
		m.BrkSetup(ctx, at)
		to := func(addr hostarch.Addr) {
			_, err := m.Brk(ctx, addr)
			check(err)
		}
		to(at + 33*page)
		each(b, func() { to(at + 34*page); to(at + 33*page) })
	})
	b.Run("mm/mmap_fault_munmap_among/1", func(b *testing.B) {
		m := manager()
		each(b, func() {
			addr := mapped(m, 0, 1)
			check(m.HandleUserFault(ctx, addr, hostarch.Write, 0))
			unmap(m, addr)
		})
	})
}

func BenchmarkForks(b *testing.B) {
	nothing := func(m *mm.MemoryManager) func() *mm.MemoryManager {
		return func() *mm.MemoryManager { return m }
	}
	forks := func(m *mm.MemoryManager) func(*testing.B) {
		return func(b *testing.B) {
			var child *mm.MemoryManager
			eachWith(b, nothing(m), func(m *mm.MemoryManager) { child = fork(m) }, func(*mm.MemoryManager) { child.DecUsers(ctx) })
		}
	}
	b.Run("mm/fork_vmas/1", forks(many(1)))
	b.Run("mm/fork_vmas/100", forks(many(100)))
	b.Run("mm/fork_vmas/10000", forks(many(10_000)))
	b.Run("mm/fork_extents/16384", forks(touched(16_384)))
	b.Run("mm/cow_break/1", func(b *testing.B) {
		m := touched(1)
		child := func() *mm.MemoryManager {
			child := fork(m)
			check(child.Activate(ctx))
			return child
		}
		eachWith(b, child, func(m *mm.MemoryManager) { check(m.HandleUserFault(ctx, at, hostarch.Write, 0)) }, drop)
	})
	b.Run("mm/new_drop", func(b *testing.B) { each(b, func() { drop(manager()) }) })
	b.Run("mm/users_inc_dec", func(b *testing.B) {
		m := manager()
		each(b, func() { m.IncUsers(); m.DecUsers(ctx) })
	})
}

func BenchmarkMemory(b *testing.B) {
	m := manager()
	mapped(m, at, 512)
	whole := make([]byte, 512*page)
	_, err := m.CopyOut(ctx, at, whole, usermem.IOOpts{})
	check(err)
	in := func(n int) func(*testing.B) {
		return func(b *testing.B) {
			each(b, func() { m.CopyIn(ctx, at, whole[:n], usermem.IOOpts{}) })
		}
	}
	out := func(n int) func(*testing.B) {
		return func(b *testing.B) {
			each(b, func() { m.CopyOut(ctx, at, whole[:n], usermem.IOOpts{}) })
		}
	}
	b.Run("mm/copy_in/64", in(64))
	b.Run("mm/copy_in/4096", in(4096))
	b.Run("mm/copy_in/1048576", in(1<<20))
	b.Run("mm/copy_out/64", out(64))
	b.Run("mm/copy_out/4096", out(4096))
	b.Run("mm/copy_out/1048576", out(1<<20))
	b.Run("mm/load_u32", func(b *testing.B) {
		each(b, func() { m.LoadUint32(ctx, at, usermem.IOOpts{}) })
	})
	b.Run("mm/compare_exchange_u32", func(b *testing.B) {
		each(b, func() { m.CompareAndSwapUint32(ctx, at, 0, 0, usermem.IOOpts{}) })
	})
}

// words is memory that costs nothing, as the futex crate's benchmark has it.
type words struct{ context.Context }

func (words) SwapUint32(hostarch.Addr, uint32) (uint32, error) { return 0, nil }
func (words) CompareAndSwapUint32(_ hostarch.Addr, old, new uint32) (uint32, error) {
	return old, nil
}
func (words) LoadUint32(hostarch.Addr) (uint32, error)           { return 0, nil }
func (words) GetSharedKey(addr hostarch.Addr) (futex.Key, error) { return futex.Key{}, nil }

func BenchmarkFutexes(b *testing.B) {
	const all, from, to = ^uint32(0), at, at + 64
	w := words{ctx}
	b.Run("futex/wake_nobody", func(b *testing.B) {
		m := futex.NewManager()
		each(b, func() { m.Wake(w, from, true, all, 1) })
	})
	b.Run("futex/wait_set_up_and_undo", func(b *testing.B) {
		m, waiter := futex.NewManager(), futex.NewWaiter()
		each(b, func() {
			check(m.WaitPrepare(waiter, w, from, true, 0, all))
			m.WaitComplete(waiter, w)
		})
	})
	waiters := make([]*futex.Waiter, 1000)
	sleepers := func() *futex.Manager {
		m := futex.NewManager()
		for i := range waiters {
			waiters[i] = futex.NewWaiter()
			check(m.WaitPrepare(waiters[i], w, from, true, 0, all))
		}
		return m
	}
	rise := func(m *futex.Manager) {
		for _, waiter := range waiters {
			m.WaitComplete(waiter, w)
		}
	}
	b.Run("futex/wake_all/1000", func(b *testing.B) {
		eachWith(b, sleepers, func(m *futex.Manager) { m.Wake(w, from, true, all, 1000) }, rise)
	})
	b.Run("futex/requeue_all/1000", func(b *testing.B) {
		eachWith(b, sleepers, func(m *futex.Manager) { m.Requeue(w, from, to, true, 0, 1000) }, rise)
	})
	b.Run("futex/new_manager", func(b *testing.B) {
		var m *futex.Manager
		each(b, func() { m = futex.NewManager().Fork() })
		if m == nil {
			b.Fatal("none")
		}
	})
}

func BenchmarkContexts(b *testing.B) {
	b.Run("arch/context_fork", func(b *testing.B) {
		c := arch.New(arch.AMD64)
		each(b, func() { c.Fork() })
	})
}
