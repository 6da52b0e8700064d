"""The simulated site of a site file: fills the structs of physics.pxd from site, profiles and load."""
from libc.stdint cimport int64_t, uint8_t, uint16_t, uintptr_t
from libc.stdlib cimport calloc, free

import numpy as np

from ext.image cimport CHANNEL_MAX
from tools.plant.backup cimport AT_GRID, AT_OPEN, Genset, genset_init
from tools.plant.battery cimport BatterySetup, battery_init
from tools.plant.pcs cimport Pcs, PcsSetup, pcs_init, pcs_setpoint
from tools.plant.physics cimport COLUMNS, SLAVE_MAX, SOURCE_GRID, site_start
from tools.plant.fill cimport fill_fields, fill_orders, fill_setpoint
from tools.plant.slave cimport READ_BY_3, READ_BY_4, SPACE, Slave
from tools.plant.wave cimport WaveSetup, wave_init, wave_mend
from tools.plant.wire cimport WIRE_SLAVES_MAX, Wire, WireFaults, WireSetup, wire_fault, wire_init

from controller.image import CHANNELS
from tools.plant.presets import WAVEFORMS, Waveform
from tools.plant.registers import ACTIONS, FEEDS, POSITIONS, SET_STATES, SOURCES, STATES, register_map

COLUMN_NAMES = ("t_s", "load_kw", "grid_kw", "pcs_kw", "setpoint_kw", "soc_pct", "pv_kw", "genset_kw", "mode")
RANGE_V = 10.0          # the simulated converter: 16 bit over +-10 V
RAIL_COUNTS = 32767
PCS_V_MAX = 1000.0      # converters on a higher grid stand behind a transformer
PCS_V = 690.0           # line to line at their terminals then
FAULT_TOPS = {"fifo_trigger": 64, "seed": 2**63 - 1, "twin": 1, "echo": 1, "wrong_baud": 1, "stuck": 1,
              "babble_per_s": 1e5, "twin_lag_chars": 1e4, "late_ms_min": 1e5, "late_ms_max": 1e5}
START_S = 1.0           # order to running: contactor and synchronisation, shortened for tests and demo


cdef class Plant:
    """The simulated site of a checked site file.

    load_kw: power of the load in kW at load_rate_hz points a second, linear between. waveform: a name of
    presets.WAVEFORMS, or a Waveform. link: replaces baud and gap of the ports with converters, and the converters'
    dynamics. pv_kw: like load_kw, or None. loops: the trace starts again at its end, else it holds its last value.
    cell_c: of the battery at the start.
    Raises ValueError for an unknown waveform or arrays that do not fit.
    """

    def __cinit__(self):
        self.site = <Site *>calloc(1, sizeof(Site))
        if self.site == NULL:
            raise MemoryError

    def __dealloc__(self):
        free(self.site)

    def __init__(self, checked, load_kw, load_rate_hz, waveform="typical", seed=0, link=None, pv_kw=None,
                 loops=False, cell_c=25.0):
        site = checked.site
        self.held = []
        self.rate_hz = site.sampling.rate_hz
        self.rail_counts = RAIL_COUNTS
        self.port_names = tuple(site.ports)     # Modbus TCP devices are not served
        self.device_names = tuple(unit.name for _, unit in site.units() if unit.port in site.ports)
        self._add_trace(load_kw, load_rate_hz, pv_kw, loops)
        self.site.voltage_v = self.site.nominal_v = self.site.grid_v = site.grid.voltage_v / 3.0 ** 0.5
        self.site.nominal_hz = site.grid.frequency_hz
        self._add_backup(site, checked.profiles)
        self.site.pcs_v = (site.grid.voltage_v if site.grid.voltage_v <= PCS_V_MAX else PCS_V) / 3.0 ** 0.5
        self.site.frequency_hz = site.grid.frequency_hz
        self._add_battery(site, cell_c)
        for converter in site.pcs:
            self._add_pcs(converter, checked.profiles[converter.profile], link)
        self._add_wires(site, link)
        for (_, index), device in site.units():
            profile = checked.profiles[device.profile]
            if device.port in site.ports:
                self._add_slave(profile.kind, index, device, profile, link, len(site.bms))
        self._add_wave(site, waveform, seed)

    def _add_trace(self, load_kw, load_rate_hz, pv_kw, loops):
        """Keeps the arrays and points the site at them."""
        cdef const double[::1] load = np.ascontiguousarray(load_kw, dtype=np.float64)
        cdef const double[::1] sun
        if load.shape[0] < 1 or load_rate_hz <= 0:
            raise ValueError("the load needs at least one point and a rate above 0")
        self.held.append(load)
        self.site.trace.load_kw = &load[0]
        self.site.trace.count = load.shape[0]
        self.site.trace.rate_hz = load_rate_hz
        self.site.trace.loops = 1 if loops else 0
        if pv_kw is not None:
            sun = np.ascontiguousarray(pv_kw, dtype=np.float64)
            if sun.shape[0] != load.shape[0]:
                raise ValueError(f"pv_kw has {sun.shape[0]} points, load_kw {load.shape[0]}; make them equal")
            self.held.append(sun)
            self.site.trace.pv_kw = &sun[0]

    def _add_battery(self, site, cell_c):
        cdef BatterySetup setup
        setup.capacity_kwh = site.battery.capacity_kwh
        setup.soc_pct_start = site.battery.soc_pct_target
        setup.cell_c_start = cell_c
        battery_init(&self.site.battery, &setup)

    def _add_pcs(self, converter, profile, link):
        cdef PcsSetup setup
        rating_kw = max(converter.discharge_kw_max, converter.charge_kw_max)
        setup.discharge_kw_max = converter.discharge_kw_max
        setup.charge_kw_max = converter.charge_kw_max
        over_drive = profile.setpoint.over_drive if profile.setpoint else 1.0
        setup.over_drive = link.overdrive if link else over_drive
        setup.dead_s = 1e-3 * (link.dead_ms if link else converter.dead_time_ms)
        setup.tau_s = 1e-3 * (link.tau_ms if link else converter.lag_ms)
        slew_pu_per_s = link.slew_pu_s if link else converter.slew_pu_per_s
        setup.slew_kw_per_s = slew_pu_per_s * rating_kw if np.isfinite(slew_pu_per_s) else 0.0
        setup.start_s = START_S
        setup.fed_by = FEEDS[profile.watchdog.fed_by] if profile.watchdog else 0
        setup.action = ACTIONS.index(profile.watchdog.action) if profile.watchdog else 0
        pcs_init(&self.site.pcs[self.site.pcs_count], &setup, 0)
        self.site.pcs_count += 1

    def _add_backup(self, site, profiles):
        """Gensets, and the transfer switch where the site commands one; it begins at the grid."""
        for genset in site.gensets:
            genset_init(&self.site.genset[self.site.genset_count], genset.kw_max)
            self.site.genset_count += 1
        self.site.ats.present = site.fallback is not None
        self.site.ats.position = AT_GRID if site.fallback or not site.switches else AT_OPEN
        self.site.ats.aim = self.site.ats.position
        self.site.source = SOURCE_GRID

    def _add_wires(self, site, link):
        cdef WireSetup setup
        with_pcs = {converter.port for converter in site.pcs}
        for name, port in site.ports.items():
            use = link if link and name in with_pcs else None
            setup.baud = use.baud if use else port.baud
            gap = use.gap if use else port.gap
            setup.spec_gap = gap == "spec"
            wire_init(&self.site.wire[self.site.wire_count], &setup)
            self.site.wire_count += 1

    def _add_wave(self, site, waveform, seed):
        cdef WaveSetup setup
        if not isinstance(waveform, Waveform) and waveform not in WAVEFORMS:
            raise ValueError(f"waveform {waveform!r}; allowed: {', '.join(WAVEFORMS)}")
        preset = waveform if isinstance(waveform, Waveform) else WAVEFORMS[waveform]
        setup.rate_hz = self.rate_hz
        setup.frequency_hz = site.grid.frequency_hz
        setup.voltage_v = self.site.voltage_v
        setup.nominal_kw = max(float(np.abs(np.asarray(self.held[0])).max()), 1.0)
        setup.nominal_dc_v = self.site.battery.dc_v
        setup.nominal_dc_a = 1000.0 * sum(p.discharge_kw_max for p in site.pcs) / self.site.battery.dc_v
        setup.power_factor = preset.power_factor
        setup.voltage_unbalance_pu = preset.voltage_unbalance_pu
        setup.current_unbalance_pu = preset.current_unbalance_pu
        for i in range(5):
            setup.voltage_line_pu[i] = preset.voltage_line_pu[i]
            setup.current_line_pu[i] = preset.current_line_pu[i]
        setup.offset_pu = preset.offset_pu
        setup.noise_pu = preset.noise_pu
        setup.rail_counts = RAIL_COUNTS
        setup.seed = seed
        for index in range(CHANNEL_MAX):
            self.ring_scale[index] = RANGE_V / (RAIL_COUNTS + 1)
            channel = site.sampling.channels.get(CHANNELS[index]) if index < len(CHANNELS) else None
            setup.present[index] = channel is not None
            setup.offset_counts[index] = channel.offset_counts if channel else 0.0
            si_per_v = (channel.a_per_v or channel.v_per_v) if channel else 1.0
            setup.si_per_count[index] = si_per_v * self.ring_scale[index]
        wave_init(&self.site.wave, &setup)

    def _values(self, kind, index, measures):
        """{canonical point name: address of the plant's value} of one device."""
        cdef Site *s = self.site
        cdef Pcs *p = &s.pcs[index if kind == "pcs" else 0]
        common = {"frequency_hz": <uintptr_t>&s.frequency_hz, "voltage_v": <uintptr_t>&s.voltage_v}
        battery = {
            "soc_pct": <uintptr_t>&s.battery.soc_pct, "soh_pct": <uintptr_t>&s.battery.soh_pct,
            "dc_v": <uintptr_t>&s.battery.dc_v, "dc_a": <uintptr_t>&s.battery.dc_a,
            "cell_v_min": <uintptr_t>&s.battery.cell_v_min, "cell_v_max": <uintptr_t>&s.battery.cell_v_max,
            "cell_c_min": <uintptr_t>&s.battery.cell_c_min, "cell_c_max": <uintptr_t>&s.battery.cell_c_max,
            "charge_a_max": <uintptr_t>&s.battery.charge_a_max,
            "discharge_a_max": <uintptr_t>&s.battery.discharge_a_max,
            "charge_v_max": <uintptr_t>&s.battery.charge_v_max,
            "discharge_v_min": <uintptr_t>&s.battery.discharge_v_min,
            "fault_word": <uintptr_t>&s.battery.fault_word, "heartbeat": <uintptr_t>&s.battery.heartbeat,
        }
        if kind == "bms":
            return battery
        if kind == "pcs":
            return common | {
                "pcs_kw": <uintptr_t>&p.ac_kw, "dc_v": <uintptr_t>&p.dc_v, "dc_a": <uintptr_t>&p.dc_a,
                "dc_kw": <uintptr_t>&p.dc_kw, "fault_word": <uintptr_t>&p.fault_word,
                "form_word": <uintptr_t>&p.form_word, "setpoint_kw": <uintptr_t>&p.received_kw,
                "watchdog_s": <uintptr_t>&p.watchdog_s, "voltage_v": <uintptr_t>&s.pcs_v,
                "soc_pct": battery["soc_pct"], "soh_pct": battery["soh_pct"],
                "meter_kw": <uintptr_t>&s.grid_kw,
            }
        if kind == "genset":
            return self._genset_values(index)
        if kind == "ats":
            return {
                "sync_word": <uintptr_t>&s.ats.sync_word, "dead_word": <uintptr_t>&s.ats.dead_word,
                "source_1_word": <uintptr_t>&s.ats.grid_word, "source_2_word": <uintptr_t>&s.ats.genset_word,
            }
        if measures == "pv":
            return common | {
                "power_kw": <uintptr_t>&s.pv_kw, "import_kwh": <uintptr_t>&s.pv_kwh,
                "export_kwh": <uintptr_t>&s.nothing,
            }
        return {
            "frequency_hz": <uintptr_t>&s.grid_hz, "voltage_v": <uintptr_t>&s.grid_v,
            "power_kw": <uintptr_t>&s.grid_kw, "import_kwh": <uintptr_t>&s.import_kwh,
            "export_kwh": <uintptr_t>&s.export_kwh,
        }

    def _genset_values(self, index):
        cdef Genset *g = &self.site.genset[index]
        return {
            "power_kw": <uintptr_t>&g.kw, "frequency_hz": <uintptr_t>&g.frequency_hz,
            "voltage_v": <uintptr_t>&g.voltage_v, "speed_rpm": <uintptr_t>&g.speed_rpm,
            "load_pct": <uintptr_t>&g.load_pct, "fuel_pct": <uintptr_t>&g.fuel_pct,
            "coolant_c": <uintptr_t>&g.coolant_c, "run_h": <uintptr_t>&g.run_h,
        }

    def _add_slave(self, kind, index, device, profile, link, racks):
        """One device on its wire."""
        cdef Slave *slave = &self.site.slave[self.site.slave_count]
        cdef Wire *wire = &self.site.wire[self.port_names.index(device.port)]
        if self.site.slave_count == SLAVE_MAX or wire.slave_count == WIRE_SLAVES_MAX:
            raise ValueError(f"{device.name}: the plant serves at most {SLAVE_MAX} devices")
        cdef uint16_t[::1] words = np.zeros(SPACE, dtype=np.uint16)
        cdef uint8_t[::1] known = np.zeros(SPACE, dtype=np.uint8)
        self.held += [words, known]
        slave.word = &words[0]
        slave.known = &known[0]
        slave.unit = device.unit
        slave.words_per_read_max = profile.wire.words_per_read_max
        slave.reply_ns = round(1e6 * (link.slave_ms if link and kind == "pcs" else profile.wire.reply_ms))
        slave.pcs = &self.site.pcs[index] if kind == "pcs" else NULL
        slave.genset = &self.site.genset[index] if kind == "genset" else NULL
        slave.ats = &self.site.ats if kind == "ats" else NULL
        slave.state = NULL
        if kind == "pcs":
            slave.state = &self.site.pcs[index].state
        elif kind == "genset":
            slave.state = &self.site.genset[index].state
        elif kind == "ats":
            slave.state = &self.site.ats.position
        values = self._values(kind, index, getattr(device, "measures", "grid"))
        table = register_map(profile, values)
        for function, address, count in table.ranges:
            slave.functions |= 1 << function
            for place in range(address, min(address + count, SPACE)):
                known[place] |= READ_BY_3 if function == 3 else READ_BY_4
        for address, word in table.constants.items():
            words[address] = word
        fill_fields(slave, table.fields, values, racks if kind == "bms" else 1)
        fill_orders(slave, table.orders)
        if profile.setpoint and not profile.read_only:
            fill_setpoint(slave, profile.setpoint)
        wire.slave[wire.slave_count] = slave
        wire.slave_count += 1
        self.site.slave_count += 1

    def record(self, every, rows):
        """Starts a record: one row of COLUMN_NAMES every `every` steps; the newest `rows` are kept."""
        cdef double[:, ::1] table = np.zeros((rows, COLUMNS))
        self.held.append(table)
        self.site.record.rows = &table[0, 0]
        self.site.record.capacity = rows
        self.site.record.written = 0
        self.site.record.every = every
        self.rows = table

    def recorded(self, first=0):
        """Rows from number `first` on, oldest first, shape (n, 9); those overwritten are missing."""
        cdef int64_t written = self.site.record.written, capacity = self.site.record.capacity
        if not self.site.record.every:
            return np.zeros((0, COLUMNS))
        return np.asarray(self.rows)[np.arange(max(first, written - capacity), written) % capacity]

    def mute(self, name, muted=True):
        """Lets the device of this name hear nothing, or hear again. Raises ValueError for an unknown name."""
        cdef Slave *slave = &self.site.slave[self.device_names.index(name)]
        if (slave.unit < 0) != muted:
            slave.unit = -slave.unit

    def command(self, name, kw):
        """Gives a converter this setpoint now, past our wire: a second master. ValueError: no such converter."""
        cdef Slave *slave = &self.site.slave[_place(name, self.device_names)]
        if slave.pcs == NULL:
            raise ValueError(f"{name} is no converter")
        pcs_setpoint(slave.pcs, kw, self.site.t_ns)

    def freeze(self, name, frozen=True):
        """Lets the device of this name answer with what it last said, or with the truth again. Raises ValueError."""
        self.site.slave[_place(name, self.device_names)].frozen = frozen

    def refuse(self, name, exception=0):
        """Lets the device of this name answer everything with an exception, 0: serve. Raises ValueError."""
        self.site.slave[_place(name, self.device_names)].exception = exception

    def fault(self, port, **settings):
        """Gives the wire of a port these faults (fields of WireFaults) and no others; without any it is sound.

        Raises ValueError for an unknown port or name, a rate outside 0 to 1, any other value below 0.
        """
        cdef Wire *w = &self.site.wire[_place(port, self.port_names)]
        cdef WireFaults faults = {name: 0 for name in w.faults}
        fields = dict(faults)
        for name, value in settings.items():
            _place(name, tuple(fields))
            top = 1.0 if name.endswith("_rate") else FAULT_TOPS.get(name, np.inf)
            if not 0 <= value <= top:
                raise ValueError(f"{name} is {value}; allowed are 0 to {top:g}")
            fields[name] = type(fields[name])(value)
        if fields["late_ms_max"] < fields["late_ms_min"]:
            raise ValueError("late_ms_max is below late_ms_min; swap them")
        faults = fields
        wire_fault(w, &faults)

    def sensor(self, names, *, gain=1.0, shift_counts=0, frozen=False, samples=-1):
        """Spoils analogue inputs, by their names in the site file, for so many samples; below 0: until mend().

        Raises ValueError for an unknown name.
        """
        for name in names:
            channel = _place(name, CHANNELS)
            self.site.wave.spoil.gain[channel] = gain
            self.site.wave.spoil.shift_counts[channel] = shift_counts
            self.site.wave.spoil.frozen[channel] = 1 if frozen else 0
            self.site.wave.spoil.held_counts[channel] = self.site.counts[channel]
        self.site.wave.spoil.left = samples
        self.site.wave.spoil.active = 1

    def swap(self, one, other):
        """Exchanges two analogue inputs. Raises ValueError for an unknown name."""
        self.site.wave.spoil.swap[0] = _place(one, CHANNELS)
        self.site.wave.spoil.swap[1] = _place(other, CHANNELS)
        self.site.wave.spoil.active = 1

    def mend(self):
        """Every analogue input is sound again."""
        wave_mend(&self.site.wave)

    def grid(self, away):
        """The grid fails, or comes back."""
        self.site.grid_away = 1 if away else 0

    def shed(self, kw):
        """Load that is off because the controller asked for it, kW."""
        self.site.shed_kw = kw

    def genset_fails(self, index, starts, coolant_c=40.0):
        """The next `starts` starts of a genset come to nothing; its engine is at coolant_c."""
        self.site.genset[index].failures = starts
        self.site.genset[index].coolant_c = coolant_c

    def bms_allows(self, share_pu):
        """The BMS allows this share of its limits, for reasons of its own."""
        self.site.battery.allowed_pu = share_pu

    def switch_sticks(self, stuck=True):
        """The transfer switch no longer moves, or moves again."""
        self.site.ats.stuck = 1 if stuck else 0

    def start(self, t_ns):
        """Sets the clock: scene time 0 is t_ns."""
        site_start(self.site, t_ns)

    def truth(self):
        """The present true values, for reports and tests."""
        cdef Site *s = self.site
        return {
            "t_s": 1e-9 * (s.t_ns - s.t_start_ns), "load_kw": s.load_kw, "grid_kw": s.grid_kw,
            "pcs_kw": s.pcs_kw, "pv_kw": s.pv_kw, "genset_kw": s.genset_kw, "soc_pct": s.battery.soc_pct,
            "dc_v": s.battery.dc_v,
            "dc_a": s.battery.dc_a, "charge_a_max": s.battery.charge_a_max,
            "discharge_a_max": s.battery.discharge_a_max, "stored_kwh": s.battery.stored_kwh,
            "cell_c": s.battery.cell_c_mean, "import_kwh": s.import_kwh, "export_kwh": s.export_kwh,
            "frequency_hz": s.frequency_hz,
            "states": tuple(STATES[s.pcs[i].state] for i in range(s.pcs_count)),
            "powers_kw": tuple(s.pcs[i].ac_kw for i in range(s.pcs_count)),
            "setpoints_kw": tuple(s.pcs[i].received_kw for i in range(s.pcs_count)),
            "watchdogs_s": tuple(s.pcs[i].watchdog_s for i in range(s.pcs_count)),
            "source": SOURCES[s.source], "position": POSITIONS[s.ats.position],
            "clashes": s.ats.clashes, "backfeeds": s.ats.backfeeds, "shed_kw": s.shed_kw,
            "gensets": tuple(SET_STATES[s.genset[i].state] for i in range(s.genset_count)),
            "genset_starts": tuple(s.genset[i].starts for i in range(s.genset_count)),
            "expiries": tuple(s.pcs[i].expiries for i in range(s.pcs_count)),
        }

    def bus(self):
        """Counts of every wire since the start, by port name."""
        cdef Wire *w = self.site.wire
        return {name: {"frames": w[i].frames, "spoiled": w[i].spoiled_frames, "collisions": w[i].collisions,
                       "faults": w[i].faulty} for i, name in enumerate(self.port_names)}


def _place(name, names):
    """Index of a name. Raises ValueError that lists the allowed."""
    if name not in names:
        raise ValueError(f"{name!r} is none of: {', '.join(names)}")
    return names.index(name)
